// Command plain holds the two proxies that the others are measured against, as anybody would first write them: relay joins two
// sockets, reverseproxy intercepts and hands requests to net/http/httputil. Neither judges, logs or records.
//
//	plain relay -listen 127.0.0.1:3105
//	plain reverseproxy -listen 127.0.0.1:3106 -cert ca.pem -key ca.key -trust origins.pem -signin login.example \
//		-header "Name: value"
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "error: say relay or reverseproxy")
		os.Exit(2)
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	listen := flags.String("listen", "127.0.0.1:0", "address:port to listen on")
	cert := flags.String("cert", "", "certificate of the signing authority, PEM")
	key := flags.String("key", "", "its key, PEM")
	trust := flags.String("trust", "", "certificates that vouch for origins, PEM")
	signin := flags.String("signin", "", "names that get the headers, by commas")
	var headers []string
	flags.Func("header", `"Name: value" set on requests to the names of -signin; may be repeated`, func(h string) error {
		headers = append(headers, h)
		return nil
	})
	_ = flags.Parse(os.Args[2:]) // ExitOnError
	l, err := net.Listen("tcp", *listen)
	if err == nil {
		switch os.Args[1] {
		case "relay":
			err = relay(l)
		case "reverseproxy":
			err = reverseProxy(l, *cert, *key, *trust, strings.Split(*signin, ","), headers)
		default:
			err = fmt.Errorf("%q is neither relay nor reverseproxy", os.Args[1])
		}
	}
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(1)
}
