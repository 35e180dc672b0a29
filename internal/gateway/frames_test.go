package gateway

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// rawFrame is one frame of HTTP/2, right or wrong (RFC 9113, section 4.1).
func rawFrame(kind http2.FrameType, flags http2.Flags, stream uint32, payload []byte) []byte {
	b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), byte(kind), byte(flags)}
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

// TestFramesThatBreakHTTP2 is the table of what RFC 9113 forbids. Each ends in an error; none lets a byte through.
func TestFramesThatBreakHTTP2(t *testing.T) {
	w := newWorld(t, baseSpec(), short)
	get := usual("GET", signInHost)
	without := func(name string) (out []string) {
		for i := 0; i < len(get); i += 2 {
			if get[i] != name {
				out = append(out, get[i], get[i+1])
			}
		}
		return out
	}
	with := func(more ...string) []string { return append(append([]string(nil), get...), more...) }
	head := func(fields ...string) func(f *framed) {
		return func(f *framed) { f.ask(1, true, fields...) }
	}
	end := http2.FlagHeadersEndHeaders | http2.FlagHeadersEndStream
	block := func(f *framed, fields ...string) []byte {
		f.block.Reset()
		for i := 0; i < len(fields); i += 2 {
			_ = f.enc.WriteField(hpackField(fields[i], fields[i+1]))
		}
		return bytes.Clone(f.block.Bytes())
	}
	cases := map[string]func(f *framed){
		"no :method":                       head(without(":method")...),
		"no :scheme":                       head(without(":scheme")...),
		"no :path":                         head(without(":path")...),
		"no :authority":                    head(without(":authority")...),
		"an empty :path":                   head(append(without(":path"), ":path", "")...),
		"an empty :authority":              head(append(without(":authority"), ":authority", "")...),
		"an empty :method":                 head(append(without(":method"), ":method", "")...),
		"an absolute :path":                head(append(without(":path"), ":path", "https://"+tunnelHost+"/")...),
		"an asterisk for GET":              head(append(without(":path"), ":path", "*")...),
		"a fragment":                       head(append(without(":path"), ":path", "/#a")...),
		"NUL in the path":                  head(append(without(":path"), ":path", "/\x00")...),
		"a line in the path":               head(append(without(":path"), ":path", "/ HTTP/1.1\r\nRestrict-Access-Context: evil\r\n")...),
		"two :path":                        head(with(":path", "/2")...),
		"two :authority":                   head(with(":authority", tunnelHost)...),
		"two equal :authority":             head(with(":authority", signInHost)...),
		"two :method":                      head(with(":method", "POST")...),
		"a pseudo field that nobody knows": head(with(":evil", "x")...),
		":status":                          head(with(":status", "200")...),
		":protocol":                        head(with(":protocol", "websocket")...),
		"extended CONNECT":                 head(":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/", ":authority", signInHost),
		"CONNECT":                          head(":method", "CONNECT", ":authority", signInHost+":443"),
		"CONNECT elsewhere":                head(":method", "CONNECT", ":authority", tunnelHost+":443"),
		"a pseudo field behind others":     head(append([]string{"a", "b"}, get...)...),
		"another authority":                head(append(without(":authority"), ":authority", tunnelHost)...),
		"another sign-in host":             head(append(without(":authority"), ":authority", "login.windows.net")...),
		"a user in the authority":          head(append(without(":authority"), ":authority", "u@"+signInHost)...),
		"a percent form":                   head(append(without(":authority"), ":authority", "login%2emicrosoftonline.com")...),
		"full width":                       head(append(without(":authority"), ":authority", "ｌｏｇｉｎ.microsoftonline.com")...),
		"two dots":                         head(append(without(":authority"), ":authority", signInHost+"..")...),
		"an authority with a list":         head(append(without(":authority"), ":authority", signInHost+","+tunnelHost)...),
		"another Host":                     head(with("host", tunnelHost)...),
		"two Hosts":                        head(with("host", signInHost, "host", signInHost)...),
		"Host alone, elsewhere":            head(append(without(":authority"), "host", tunnelHost)...),
		"capitals":                         head(with("Accept", "x")...),
		"a space in a name":                head(with("a b", "x")...),
		"a colon in a name":                head(with("a:b", "x")...),
		"an empty name":                    head(with("", "x")...),
		"a name outside ASCII":             head(with("ａ", "x")...),
		"CR LF in a name":                  head(with("a\r\nrestrict-access-context: x", "x")...),
		"CR in a value":                    head(with("a", "x\ry")...),
		"LF in a value":                    head(with("a", "x\ny")...),
		"NUL in a value":                   head(with("a", "x\x00y")...),
		"connection":                       head(with("connection", "close")...),
		"keep-alive":                       head(with("keep-alive", "1")...),
		"proxy-connection":                 head(with("proxy-connection", "keep-alive")...),
		"upgrade":                          head(with("upgrade", "h2c")...),
		"transfer-encoding":                head(with("transfer-encoding", "chunked")...),
		"te":                               head(with("te", "deflate")...),
		"a length without a body":          head(with("content-length", "5")...),
		"two lengths":                      head(with("content-length", "0", "content-length", "0")...),
		"an underscored length":            head(with("content_length", "5")...),
		"an even stream":                   func(f *framed) { f.ask(2, true, get...) },
		"stream 0":                         func(f *framed) { _, _ = f.tls.Write(rawFrame(http2.FrameHeaders, end, 0, block(f, get...))) },
		"a stream that goes back":          func(f *framed) { f.ask(5, true, with("host", "x")...); f.ask(3, true, get...) },
		"data without a head":              func(f *framed) { _ = f.WriteData(1, true, []byte("x")) },
		"data on stream 0":                 func(f *framed) { _, _ = f.tls.Write(rawFrame(http2.FrameData, 1, 0, []byte("x"))) },
		"padding longer than its frame": func(f *framed) {
			_, _ = f.tls.Write(rawFrame(http2.FrameHeaders, end|http2.FlagHeadersPadded, 1, append([]byte{255}, block(f, get...)...)))
		},
		"CONTINUATION without a head": func(f *framed) { _ = f.WriteContinuation(1, true, block(f, get...)) },
		"a frame between head and end": func(f *framed) {
			_, _ = f.tls.Write(rawFrame(http2.FrameHeaders, 0, 1, block(f, get...)[:3]))
			_ = f.WritePing(false, [8]byte{})
		},
		"CONTINUATION of another stream": func(f *framed) {
			b := block(f, get...)
			_, _ = f.tls.Write(rawFrame(http2.FrameHeaders, 0, 1, b[:3]))
			_ = f.WriteContinuation(3, true, b[3:])
		},
		"a broken head block": func(f *framed) {
			_, _ = f.tls.Write(rawFrame(http2.FrameHeaders, end, 1, []byte{0xff, 0xff, 0xff, 0xff, 0xff}))
		},
		"a table beyond what was agreed": func(f *framed) {
			_, _ = f.tls.Write(rawFrame(http2.FrameHeaders, end, 1, append([]byte{0x3f, 0xe1, 0xff, 0x03}, block(f, get...)...)))
		},
		"a frame beyond what was agreed": func(f *framed) { _, _ = f.tls.Write(rawFrame(http2.FrameHeaders, end, 1, make([]byte, 17<<10))) },
		"PUSH_PROMISE of a client": func(f *framed) {
			_, _ = f.tls.Write(rawFrame(http2.FramePushPromise, 4, 1, append([]byte{0, 0, 0, 2}, block(f, get...)...)))
		},
		"a stream that depends on itself": func(f *framed) {
			_, _ = f.tls.Write(rawFrame(http2.FramePriority, 0, 1, []byte{0, 0, 0, 1, 0}))
			f.ask(1, true, with("host", "x")...)
		},
		"a window of nothing": func(f *framed) { _, _ = f.tls.Write(rawFrame(http2.FrameWindowUpdate, 0, 0, []byte{0, 0, 0, 0})) },
		"a window beyond all": func(f *framed) {
			_, _ = f.tls.Write(rawFrame(http2.FrameWindowUpdate, 0, 0, []byte{0x7f, 0xff, 0xff, 0xff}))
		},
		"SETTINGS of a wrong size": func(f *framed) { _, _ = f.tls.Write(rawFrame(http2.FrameSettings, 0, 0, []byte{1})) },
		"SETTINGS on a stream":     func(f *framed) { _, _ = f.tls.Write(rawFrame(http2.FrameSettings, 0, 1, nil)) },
		"SETTINGS with a window beyond all": func(f *framed) {
			_, _ = f.tls.Write(rawFrame(http2.FrameSettings, 0, 0, []byte{0, 4, 0xff, 0xff, 0xff, 0xff}))
		},
		"PING of a wrong size":              func(f *framed) { _, _ = f.tls.Write(rawFrame(http2.FramePing, 0, 0, []byte{1})) },
		"RST of a stream that never was":    func(f *framed) { _ = f.WriteRSTStream(9, http2.ErrCodeCancel) },
		"HTTP/1.1 in place of HTTP/2":       func(f *framed) { _, _ = io.WriteString(f.tls, "GET / HTTP/1.1\r\nHost: "+signInHost+"\r\n\r\n") },
		"a head behind the end of its body": func(f *framed) { f.ask(1, true, with("host", "x")...); f.ask(1, true, get...) },
	}
	t.Run("each", func(t *testing.T) {
		for name, send := range cases {
			t.Run(name, func(t *testing.T) {
				w.t = t
				f := w.framed(signInHost)
				f.AllowIllegalWrites = true
				send(f)
				_ = f.tls.SetReadDeadline(time.Now().Add(5 * time.Second))
				if got := f.verdict(); got[0] != '4' && got != "reset" && got != "goodbye" && got != "end" {
					t.Errorf("answered %q", got)
				}
				f.tls.Close()
			})
		}
	})
	if heads, n := w.everything(); n != 0 {
		t.Errorf("%d bytes reached an origin: %q", n, heads)
	}
}

// verdict reads up to the first answer or error: a status, "reset", "goodbye" or "end"; it does not wait for the end of a
// connection that says goodbye.
func (f *framed) verdict() string {
	for {
		frame, err := f.ReadFrame()
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			return frame.PseudoValue("status")
		case *http2.RSTStreamFrame:
			return "reset"
		case *http2.GoAwayFrame:
			if frame.ErrCode != http2.ErrCodeNo {
				return "goodbye"
			}
		}
		if err == io.EOF {
			return "end"
		} else if err != nil {
			return "5" + err.Error()
		}
	}
}

// TestBodiesOfHTTP2ThatDoNotHold sends bodies whose length or trailers are wrong: the origin never takes them for whole.
func TestBodiesOfHTTP2ThatDoNotHold(t *testing.T) {
	for name, send := range map[string]func(f *framed){
		"more than was announced":          func(f *framed) { post(f, "content-length", "3"); _ = f.WriteData(1, true, []byte("abcd")) },
		"less than was announced":          func(f *framed) { post(f, "content-length", "3"); _ = f.WriteData(1, true, []byte("ab")) },
		"less, in a long one":              func(f *framed) { post(f, "content-length", "100000"); _ = f.WriteData(1, true, []byte("ab")) },
		"a forbidden trailer is announced": func(f *framed) { post(f, "trailer", "restrict-access-context"); _ = f.WriteData(1, true, []byte("ab")) },
		"a pseudo field in the trailers": func(f *framed) {
			post(f, "trailer", "x")
			_ = f.WriteData(1, false, []byte("ab"))
			f.ask(1, true, ":path", "/2")
		},
		"a body that is reset": func(f *framed) {
			post(f)
			_ = f.WriteData(1, false, []byte("ab"))
			_ = f.WriteRSTStream(1, http2.ErrCodeCancel)
		},
		"a connection that ends inside a body": func(f *framed) { post(f); _ = f.WriteData(1, false, []byte("ab")); f.tls.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, baseSpec(), short)
			ended := make(chan error, 1)
			w.origin(signInHost).setAnswer(func(head string, body io.Reader, to io.Writer) bool {
				want := int64(-1)
				if _, rest, found := strings.Cut(head, "Content-Length: "); found {
					want = 0
					for ; rest[0] >= '0' && rest[0] <= '9'; rest = rest[1:] {
						want = want*10 + int64(rest[0]-'0')
					}
				}
				n, err := io.Copy(io.Discard, body)
				if err == nil && want >= 0 && n < want {
					err = io.ErrUnexpectedEOF
				}
				ended <- err
				return false
			})
			f := w.framed(signInHost)
			send(f)
			_ = f.tls.SetReadDeadline(time.Now().Add(2 * time.Second))
			if got, _ := f.result(); strings.HasPrefix(got, "2") {
				t.Errorf("answered %q", got)
			}
			f.tls.Close()
			select {
			case err := <-ended:
				if err == nil {
					t.Errorf("the origin took it for whole: %q", w.origin(signInHost).seen())
				}
			case <-time.After(100 * time.Millisecond): // nothing was sent
			}
			w.checkAll()
		})
	}
}

func post(f *framed, more ...string) { f.ask(1, false, append(usual("POST", signInHost), more...)...) }

// TestAForbiddenTrailerOfHTTP2ReachesNobody: trailers that were not announced, or may not be, are dropped or end the body.
func TestAForbiddenTrailerOfHTTP2ReachesNobody(t *testing.T) {
	for _, trailer := range []string{"restrict-access-context", "sec-restrict-tenant-access-policy", "x", "content-length", "host", "cookie"} {
		w := newWorld(t, baseSpec(), short)
		f := w.framed(signInHost)
		post(f)
		_ = f.WriteData(1, false, []byte("ab"))
		f.ask(1, true, trailer, "evil")
		_ = f.tls.SetReadDeadline(time.Now().Add(2 * time.Second))
		f.result()
		f.tls.Close()
		o := w.origin(signInHost)
		o.mu.Lock()
		raw := string(o.raw)
		o.mu.Unlock()
		if strings.Contains(raw, "evil") {
			t.Errorf("%s: the origin got %q", trailer, raw)
		}
		w.checkAll()
	}
}

// CONTINUATION frames that hold nothing add no byte to a head, so that no limit in bytes ever ends them.
func TestContinuationsOfAClientThatHoldNothing(t *testing.T) {
	w := newWorld(t, baseSpec())
	f := w.framed(signInHost)
	_, _ = f.tls.Write(rawFrame(http2.FrameHeaders, 0, 1, nil))
	sent := 0
	for ; sent < 1_000_000; sent += 100 {
		if _, err := f.tls.Write(bytes.Repeat(rawFrame(http2.FrameContinuation, 0, 1, nil), 100)); err != nil {
			break
		}
	}
	if sent >= 1_000_000 {
		t.Error("a million frames were taken")
	}
	if n := w.origin(signInHost).bytes(); n != 0 {
		t.Errorf("%d bytes reached the origin", n)
	}
}
