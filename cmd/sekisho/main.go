// Command sekisho is the checkpoint between a controlled network and Microsoft's cloud: it lists which endpoints a
// feature needs, says which road each takes, guards sign-in with tenant restrictions, and proves that it does.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"sekisho/internal/cli"
)

// version is set by the release build.
var version = "0.1.0-dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	columns, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		columns = 0 // no terminal
	}
	code := cli.Run(ctx, cli.System{
		In:       os.Stdin,
		Out:      os.Stdout,
		Err:      os.Stderr,
		Getenv:   os.Getenv,
		Version:  version,
		Columns:  columns,
		Terminal: term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())),
	}, os.Args[1:])
	stop()
	os.Exit(code)
}
