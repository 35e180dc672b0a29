package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// relay answers CONNECT and joins the two connections; io.Copy between TCP connections splices in the kernel.
func relay(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			br := bufio.NewReader(c)
			target, ok := readConnect(c, br)
			if !ok {
				return
			}
			up, err := net.Dial("tcp", target)
			if err != nil {
				_, _ = io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
				return
			}
			defer up.Close()
			if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
				return
			}
			done := make(chan struct{})
			go func() {
				_, _ = io.Copy(up, c)
				_ = up.(*net.TCPConn).CloseWrite()
				close(done)
			}()
			_, _ = io.Copy(c, up)
			_ = c.(*net.TCPConn).CloseWrite()
			<-done
		}()
	}
}

// readConnect reads a CONNECT whose client waits for the answer before it goes on.
func readConnect(c net.Conn, br *bufio.Reader) (target string, ok bool) {
	r, err := http.ReadRequest(br)
	if err != nil || r.Method != http.MethodConnect || br.Buffered() > 0 {
		_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
		return "", false
	}
	return r.Host, true
}
