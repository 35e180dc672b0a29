# make test is everything that is tested; each step can be run alone.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help build test prerequisites lint cross suite fuzz bench bench-peers docs

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1	/' | expand -t 24

build: ## build bin/sekisho
	go build -trimpath -o bin/sekisho ./cmd/sekisho

test: prerequisites lint cross suite fuzz ## everything that is tested
	@test/suite/summary.sh

prerequisites: ## install (Debian, as root) or name what the tests need
	@test/suite/prerequisites.sh

lint: ## gofmt, vet, staticcheck
	@test/suite/lint.sh

cross: ## vet and build for windows, darwin and arm64
	@test/suite/cross.sh

suite: ## the whole suite, once, with the race detector
	@test/suite/suite.sh

fuzz: ## each fuzz target by count
	@test/suite/fuzz.sh

bench: ## the benchmarks behind the published figures
	@set -o pipefail; go test -run '^$$' -bench . -benchmem ./internal/... | grep -vE '^(\?|PASS|ok )'

bench-peers: ## what work costs Sekisho and its peers, side by side, in ten minutes at most (BENCH="-quick" for a short run)
	go run ./test/bench $(BENCH)

docs: ## write the generated documents and the compiled-in catalog again
	go test ./internal/catalog -count=1 -run '^TestDocs' -update
	go test ./internal/config ./internal/house ./internal/route -count=1 -run '^TestDocs$$' -update
	UPDATE=1 go test ./test/script -count=1 -run '^TestDocsOfReports$$'
