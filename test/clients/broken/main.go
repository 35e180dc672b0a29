// Command broken is sekisho with steps of the gateway that fail for some requests, by their host or the beginning of their
// path, as a fault of ours would. Nothing else about it differs: main, command line and checkpoint are those of sekisho.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"sekisho/internal/cli"
	"sekisho/internal/gateway"
	"sekisho/internal/node"
	"sekisho/internal/policy"
	"sekisho/internal/restrict"
	"sekisho/internal/wire"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, cli.System{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Version: "broken",
		Bend: func(o *node.Options) { o.Steps = broken },
	}, os.Args[1:])
	stop()
	os.Exit(code)
}

// broken breaks steps of the gateway.
func broken(s *gateway.Steps) {
	send, leaf, judge := s.AppendRequest, s.Leaf, s.DecideTLS
	s.AppendRequest = func(dst []byte, o *wire.Outgoing, p restrict.Plan) ([]byte, error) {
		switch {
		case strings.HasPrefix(o.Path, "/panics"):
			var none *wire.Outgoing
			return append(dst, none.Path...), nil
		case strings.HasPrefix(o.Path, "/fails"):
			return append(dst, "GET / HTTP/1.1\r\n\r\n"...), errors.New("broken")
		case strings.HasPrefix(o.Path, "/forgets"):
			return send(dst, o, restrict.DeleteOnly())
		}
		return send(dst, o, p)
	}
	s.Leaf = func(ctx context.Context, e *gateway.Edition, d policy.Decision) (*tls.Certificate, error) {
		if d.Host == "login.windows.net" {
			panic("no leaf")
		}
		return leaf(ctx, e, d)
	}
	s.DecideTLS = func(p *policy.Program, d policy.Decision, h policy.Hello) policy.Decision {
		if d.Host == "login.microsoft.com" {
			panic("no verdict")
		}
		return judge(p, d, h)
	}
}
