//go:build race && unix

package clients

const raceEnabled = true
