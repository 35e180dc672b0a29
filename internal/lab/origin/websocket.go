package origin

import (
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	// webSocketKey is joined to the client's key (RFC 6455, section 1.3).
	webSocketKey = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	// webSocketTime is how long an echo lives; chosen.
	webSocketTime = 10 * time.Minute
)

// webSocket echoes short frames (RFC 6455), up to 125 bytes each, until the client closes.
func (s *Service) webSocket(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Sec-WebSocket-Key")
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || key == "" || r.Header.Get("Sec-WebSocket-Version") != "13" {
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Sec-WebSocket-Version", "13")
		http.Error(w, "LAB: a change to WebSocket is wanted here", http.StatusUpgradeRequired)
		return
	}
	c, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "LAB: no change of protocol on this connection", http.StatusHTTPVersionNotSupported)
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(webSocketTime))
	sum := sha1.Sum([]byte(key + webSocketKey))
	if _, err := fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\nX-Sekisho-Lab: 1\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:])); err != nil {
		return
	}
	for {
		opcode, payload, err := shortFrame(buffered)
		if err != nil {
			return
		}
		if opcode == 9 { // a ping is answered with a pong
			opcode = 10
		}
		if _, err := c.Write(append([]byte{0x80 | opcode, byte(len(payload))}, payload...)); err != nil || opcode == 8 {
			return
		}
	}
}

var errFrame = errors.New("not a short, whole, masked frame")

// shortFrame reads one frame of a client (RFC 6455, section 5.2).
func shortFrame(r io.Reader) (opcode byte, payload []byte, err error) {
	var head [6]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	length := head[1] & 0x7f
	if head[0]&0xf0 != 0x80 || head[1]&0x80 == 0 || length > 125 {
		return 0, nil, errFrame
	}
	payload = make([]byte, length)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, err
	}
	for i := range payload {
		payload[i] ^= head[2+i%4]
	}
	return head[0] & 0x0f, payload, nil
}
