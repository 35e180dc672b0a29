//go:build !race && unix

package gateway

const raceEnabled = false
