// A module of its own, so that the product's go.mod names nothing that the product does not use.
module sekisho/test/peer/goproxy

go 1.26.0

require github.com/elazarl/goproxy v1.7.2

require (
	golang.org/x/net v0.35.0 // indirect
	golang.org/x/text v0.22.0 // indirect
)
