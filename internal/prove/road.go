package prove

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

func signInInspected(ctx context.Context, s *scene) error {
	return s.certificate(ctx, signInHost, "gateway")
}

func deviceNotInspected(ctx context.Context, s *scene) error {
	return s.certificate(ctx, deviceHost, "lab")
}

func manageNotInspected(ctx context.Context, s *scene) error {
	return s.certificate(ctx, manageHost, "lab")
}

// certificate compares whose certificate host shows with what is promised.
func (s *scene) certificate(ctx context.Context, host, want string) error {
	conn, err := s.handshake(ctx, host+":443", host)
	if err != nil {
		return err
	}
	defer conn.Close()
	if got := s.shownBy(conn.ConnectionState(), host); got != want {
		return fmt.Errorf("%s shows the certificate of %s, want the %s's", host, got, want)
	}
	return nil
}

func disallowedRefused(ctx context.Context, s *scene) error {
	return s.refused(ctx, "www.example.org:443", "not-allowed")
}

func aliasRefused(ctx context.Context, s *scene) error {
	return s.refused(ctx, "sts.windows.net:443", "alias-host")
}

func otherCloudRefused(ctx context.Context, s *scene) error {
	return s.refused(ctx, "login.microsoftonline.us:443", "other-cloud")
}

func literalRefused(ctx context.Context, s *scene) error {
	for _, authority := range []string{"20.190.128.1:443", "[2603:1006:2000::1]:443", "0x14be8001:443"} {
		_, a, err := s.connect(ctx, authority)
		if err != nil {
			return err
		}
		if a.status == http.StatusOK {
			return fmt.Errorf("CONNECT %s was answered 200", authority)
		}
	}
	return nil
}

// refused expects a 403 that names the reason, as JSON for a program that asks for it.
func (s *scene) refused(ctx context.Context, authority, reason string) error {
	conn, a, err := s.connect(ctx, authority)
	if err != nil {
		return err
	}
	if conn != nil {
		conn.Close()
		return fmt.Errorf("CONNECT %s was answered 200", authority)
	}
	if a.status != http.StatusForbidden || !strings.Contains(a.body, reason) {
		return a.unlike("403 " + reason)
	}
	return nil
}

// tunnelMismatch is CONNECT to a host that is not inspected with the server name of a sign-in host: a way around.
func tunnelMismatch(ctx context.Context, s *scene) error {
	return s.mismatch(ctx, deviceHost, signInHost)
}

func interceptMismatch(ctx context.Context, s *scene) error {
	return s.mismatch(ctx, signInHost, deviceHost)
}

// mismatch shakes hands under another name than CONNECT's and tries to get an answer.
func (s *scene) mismatch(ctx context.Context, authority, serverName string) error {
	conn, err := s.handshake(ctx, authority+":443", serverName)
	if err != nil {
		return nil // refused with an alert, or closed
	}
	defer conn.Close()
	nonce := rand.Text()
	text, err := exchange(conn, "GET /common/discovery/instance?nonce="+nonce+" HTTP/1.1\r\nHost: "+serverName+"\r\nConnection: close\r\n\r\n")
	if err == nil && len(s.carrying(nonce)) > 0 {
		return fmt.Errorf("a request for %s passed inside CONNECT %s: %.60q", serverName, authority, text)
	}
	if err == nil && !strings.Contains(text, " 403 ") && !strings.Contains(text, " 421 ") {
		return fmt.Errorf("CONNECT %s with the server name %s was answered %.60q", authority, serverName, text)
	}
	return nil
}

// innerMismatch asks for another authority inside an intercepted connection: 421, and nothing leaves.
func innerMismatch(ctx context.Context, s *scene) error {
	conn, err := s.handshake(ctx, signInHost+":443", signInHost)
	if err != nil {
		return err
	}
	defer conn.Close()
	nonce := rand.Text()
	text, err := exchange(conn, "GET /v1.0/me?nonce="+nonce+" HTTP/1.1\r\nHost: graph.microsoft.com\r\nConnection: close\r\n\r\n")
	if err != nil {
		return err
	}
	if !strings.HasPrefix(text, "HTTP/1.1 421 ") {
		return fmt.Errorf("want 421, got %.60q", text)
	}
	if len(s.carrying(nonce)) > 0 {
		return errors.New("the request left the gateway")
	}
	return nil
}

// tunnelWithoutName opens a tunnel without a server name: what is inside cannot be judged, so it is refused.
func tunnelWithoutName(ctx context.Context, s *scene) error {
	conn, err := s.handshake(ctx, manageHost+":443", "")
	if err != nil {
		return nil
	}
	defer conn.Close()
	if by := s.shownBy(conn.ConnectionState(), ""); by != "gateway" {
		return errors.New("a tunnel without a server name was opened")
	}
	return nil
}

// signInWithoutName shakes hands without a server name: it is intercepted under the name of CONNECT.
func signInWithoutName(ctx context.Context, s *scene) error {
	conn, err := s.handshake(ctx, signInHost+":443", "")
	if err != nil {
		return err
	}
	defer conn.Close()
	if by := s.shownBy(conn.ConnectionState(), signInHost); by != "gateway" {
		return fmt.Errorf("a connection without a server name shows the certificate of %s", by)
	}
	return nil
}

// plainBytesRefused sends a plain request where TLS belongs. An origin that speaks TLS would refuse it by itself, so
// what the gateway did is read from its record.
func plainBytesRefused(ctx context.Context, s *scene) error {
	for _, host := range []string{signInHost, manageHost} {
		conn, a, err := s.connect(ctx, host+":443")
		if err != nil {
			return err
		}
		if conn == nil {
			return a.unlike("200")
		}
		nonce := rand.Text()
		text, err := exchange(conn, "GET /?nonce="+nonce+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
		conn.Close()
		if len(s.carrying(nonce)) > 0 || err == nil && strings.Contains(text, " 200 ") {
			return fmt.Errorf("bytes that are no TLS passed inside CONNECT %s", host)
		}
		if err := s.awaitRecord(ctx, func(r record) error {
			if r.host == host && r.reason == "not-tls" && r.verdict == "deny" {
				return nil
			}
			return errNoRecord
		}); err != nil {
			return fmt.Errorf("CONNECT %s was not refused for bytes that are no TLS: %w", host, err)
		}
	}
	return nil
}

func upgradeRefused(ctx context.Context, s *scene) error {
	for _, protocol := range []string{"h2c", "websocket"} {
		nonce := rand.Text()
		conn, err := s.handshake(ctx, signInHost+":443", signInHost)
		if err != nil {
			return err
		}
		text, err := exchange(conn, "GET /common/discovery/instance?nonce="+nonce+" HTTP/1.1\r\nHost: "+signInHost+
			"\r\nConnection: Upgrade\r\nUpgrade: "+protocol+"\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		conn.Close()
		if err != nil {
			return err
		}
		if strings.HasPrefix(text, "HTTP/1.1 101 ") {
			return fmt.Errorf("an upgrade to %s was answered 101", protocol)
		}
		for _, h := range s.carrying(nonce) {
			if len(h.fields("Upgrade")) > 0 {
				return fmt.Errorf("an upgrade to %s reached the lab", protocol)
			}
		}
	}
	return nil
}

// deadUpstream opens a port at which nobody listens: the answer must say so, and come before any 200.
func deadUpstream(ctx context.Context, s *scene) error {
	conn, a, err := s.connect(ctx, "5-courier.push.apple.com:5223")
	if err != nil {
		return err
	}
	if conn != nil {
		conn.Close()
		return errors.New("CONNECT to a dead upstream was answered 200")
	}
	if a.status != http.StatusBadGateway && a.status != http.StatusGatewayTimeout {
		return a.unlike("502")
	}
	return nil
}

// exchange writes request and reads until the other side ends or has sent a whole head.
func exchange(conn io.ReadWriter, request string) (string, error) {
	if _, err := io.WriteString(conn, request); err != nil {
		return "", err
	}
	var text []byte
	buffer := make([]byte, 4096)
	for len(text) < bodyBytes {
		n, err := conn.Read(buffer)
		text = append(text, buffer[:n]...)
		if strings.Contains(string(text), "\r\n\r\n") {
			return string(text), nil
		}
		if err != nil {
			if len(text) > 0 {
				return string(text), nil
			}
			return "", err
		}
	}
	return string(text), nil
}
