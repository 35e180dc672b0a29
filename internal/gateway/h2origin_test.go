package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"sekisho/internal/audit"
	"sekisho/internal/endpoint"
)

// h2Peer is an origin that speaks HTTP/2 alone, frame by frame.
type h2Peer struct {
	o        *origin
	settings []http2.Setting
	mute     bool // ignores what is offered, as some servers do
	answer   func(p *h2Conn, id uint32, fields []hpack.HeaderField, ends bool)

	mu   sync.Mutex
	seen [][]string
	got  map[uint32]string // bodies
}

// h2Conn is one connection of it.
type h2Conn struct {
	*http2.Framer
	peer  *h2Peer
	block bytes.Buffer
	enc   *hpack.Encoder
}

func (w *world) speakH2(host endpoint.Host, bend ...func(*h2Peer)) *h2Peer {
	p := &h2Peer{o: w.origin(host), answer: okH2, got: map[uint32]string{}}
	for _, f := range bend {
		f(p)
	}
	p.o.setScript(p.serve)
	return p
}

func answering(f func(k *h2Conn, id uint32, fields []hpack.HeaderField, ends bool)) func(*h2Peer) {
	return func(p *h2Peer) { p.answer = f }
}

func (p *h2Peer) heads() [][]string { p.mu.Lock(); defer p.mu.Unlock(); return slices.Clone(p.seen) }

// forget empties what p has recorded.
func (p *h2Peer) forget() {
	p.mu.Lock()
	p.seen = nil
	clear(p.got)
	p.mu.Unlock()
}

// body is all that came in bodies.
func (p *h2Peer) body() (all string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.got {
		all += b
	}
	return all
}

func (p *h2Peer) serve(c net.Conn) {
	leaf, err := testCA().Certificate(context.Background(), p.o.host)
	if err != nil {
		return
	}
	config := &tls.Config{Certificates: []tls.Certificate{*leaf}, NextProtos: []string{"h2"}}
	if p.mute {
		config.NextProtos = nil
		config.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			one := config.Clone()
			if slices.Contains(h.SupportedProtos, "h2") {
				one.NextProtos = []string{"h2"}
			}
			return one, nil
		}
	} else {
		config.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			if !slices.Contains(h.SupportedProtos, "h2") { // crypto/tls would let HTTP/1.1 pass
				one := config.Clone()
				one.NextProtos = []string{"other"}
				return one, nil
			}
			return nil, nil
		}
	}
	t := tls.Server(c, config)
	if t.Handshake() != nil {
		return
	}
	in := io.TeeReader(t, originTap{p.o})
	k := &h2Conn{Framer: http2.NewFramer(t, in), peer: p}
	k.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	k.enc = hpack.NewEncoder(&k.block)
	if k.WriteSettings(p.settings...) != nil {
		return
	}
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(in, preface); err != nil || string(preface) != http2.ClientPreface {
		return
	}
	for {
		f, err := k.ReadFrame()
		if err != nil {
			return
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = k.WriteSettingsAck()
			}
		case *http2.DataFrame:
			p.mu.Lock()
			p.got[f.StreamID] += string(f.Data())
			p.mu.Unlock()
			if n := len(f.Data()); n > 0 {
				_ = k.WriteWindowUpdate(0, uint32(n))
				if !f.StreamEnded() {
					_ = k.WriteWindowUpdate(f.StreamID, uint32(n))
				}
			}
			if f.StreamEnded() {
				p.answer(k, f.StreamID, nil, true)
			}
		case *http2.MetaHeadersFrame:
			var all []string
			for _, x := range f.Fields {
				all = append(all, x.Name+": "+x.Value)
			}
			p.mu.Lock()
			p.seen = append(p.seen, all)
			p.mu.Unlock()
			if f.StreamEnded() {
				p.answer(k, f.StreamID, f.Fields, true)
			}
		}
	}
}

// head sends fields, given as names and values.
func (k *h2Conn) head(id uint32, ends bool, fields ...string) {
	k.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = k.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	_ = k.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: k.block.Bytes(), EndStream: ends, EndHeaders: true})
}

func okH2(k *h2Conn, id uint32, _ []hpack.HeaderField, _ bool) {
	k.head(id, false, ":status", "200", "content-type", "text/plain", "alt-svc", `h3=":443"`, "content-length", "5")
	_ = k.WriteRawFrame(0xa, 0, id, []byte("\x00\x00h3=\":443\""))         // ALTSVC
	_ = k.WriteRawFrame(0xc, 0, 0, []byte("\x00\x13https://evil.example")) // ORIGIN
	_ = k.WriteData(id, true, []byte("hello"))
}

// What leaves by HTTP/2 is what would have left by HTTP/1.1: the headers of the plan, exactly once, and nothing of the
// client's.
func TestAnOriginThatSpeaksHTTP2Alone(t *testing.T) {
	for _, mute := range []bool{false, true} {
		for _, h2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("mute=%v h2=%v", mute, h2), func(t *testing.T) {
				w := newWorld(t, baseSpec())
				p := w.speakH2(signInHost, func(p *h2Peer) {
					p.mute = mute
					p.settings = []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 701}}
				})
				client := w.client(h2)
				for i, body := range []string{"", "short", strings.Repeat("long ", 20_000)} {
					method := "POST"
					var r io.Reader
					switch i {
					case 0:
						method = "GET"
					case 1:
						r = strings.NewReader(body)
					default:
						r = io.MultiReader(strings.NewReader(body)) // chunked
					}
					req, _ := http.NewRequest(method, "https://"+signInHost+"/common/a?b=c", r)
					req.Header.Set("Restrict-Access-To-Tenants", "evil")
					req.Header.Set("sec-Restrict-Tenant-Access-Policy", "evil")
					req.Header.Set("Cookie", "a=b; c=d")
					resp, err := client.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					got, _ := io.ReadAll(resp.Body)
					resp.Body.Close()
					if resp.StatusCode != 200 || string(got) != "hello" || resp.Header.Get("Alt-Svc") != "" {
						t.Fatalf("%d: %d %d bytes, log %s", i, resp.StatusCode, len(got), w.log)
					}
					heads := p.heads()
					all := heads[len(heads)-1]
					count := map[string]int{}
					for _, line := range all {
						name, _, _ := strings.Cut(line[1:], ":")
						count[line[:1]+name]++
					}
					for _, want := range []string{":method: " + method, ":scheme: https", ":authority: " + signInHost, ":path: /common/a?b=c",
						"restrict-access-to-tenants: " + tenants, "restrict-access-context: " + tenantID, "cookie: a=b; c=d"} {
						if !slices.Contains(all, want) {
							t.Errorf("no %q in %q", want, all)
						}
					}
					for name, n := range count {
						if n != 1 || strings.HasPrefix(name, "sec-restrict") || name == "host" || name == "connection" || name == "transfer-encoding" {
							t.Errorf("%d times %q in %q", n, name, all)
						}
					}
					p.mu.Lock()
					bodies := fmt.Sprint(p.got)
					p.mu.Unlock()
					if body != "" && !strings.Contains(bodies, body) {
						t.Errorf("the body of request %d did not arrive", i)
					}
				}
				if n := p.o.count.Load(); n > 3 {
					t.Errorf("%d connections for three requests", n)
				}
			})
		}
	}
}

// An answer that breaks HTTP/2, or that would be another answer in HTTP/1.1, is told as a broken origin.
func TestABrokenAnswerByHTTP2IsNotPassedOn(t *testing.T) {
	for name, answer := range map[string]func(k *h2Conn, id uint32){
		"101":               func(k *h2Conn, id uint32) { k.head(id, false, ":status", "101", "upgrade", "websocket") },
		"no status":         func(k *h2Conn, id uint32) { k.head(id, true, "a", "b") },
		"two status":        func(k *h2Conn, id uint32) { k.head(id, true, ":status", "200", ":status", "404") },
		"odd status":        func(k *h2Conn, id uint32) { k.head(id, true, ":status", "2x0") },
		"request pseudo":    func(k *h2Conn, id uint32) { k.head(id, true, ":status", "200", ":path", "/") },
		"line break":        func(k *h2Conn, id uint32) { k.head(id, true, ":status", "200", "a", "b\r\nset-cookie: c=d") },
		"NUL":               func(k *h2Conn, id uint32) { k.head(id, true, ":status", "200", "a", "b\x00") },
		"capitals":          func(k *h2Conn, id uint32) { k.head(id, true, ":status", "200", "Set-Cookie", "c=d") },
		"colon in a name":   func(k *h2Conn, id uint32) { k.head(id, true, ":status", "200", "a: b", "c") },
		"transfer-encoding": func(k *h2Conn, id uint32) { k.head(id, true, ":status", "200", "transfer-encoding", "chunked") },
		"connection":        func(k *h2Conn, id uint32) { k.head(id, true, ":status", "200", "connection", "close") },
		"two lengths": func(k *h2Conn, id uint32) {
			k.head(id, false, ":status", "200", "content-length", "1", "content-length", "1")
		},
		"length and no body": func(k *h2Conn, id uint32) { k.head(id, true, ":status", "200", "content-length", "1") },
		"data first":         func(k *h2Conn, id uint32) { _ = k.WriteData(id, true, []byte("HTTP/1.1 200 OK\r\n\r\n")) },
		"push": func(k *h2Conn, id uint32) {
			_ = k.WritePushPromise(http2.PushPromiseParam{StreamID: id, PromiseID: 2, EndHeaders: true})
		},
		"another stream": func(k *h2Conn, id uint32) { k.head(id+2, true, ":status", "200") },
		"reset":          func(k *h2Conn, id uint32) { _ = k.WriteRSTStream(id, http2.ErrCodeRefusedStream) },
		"goodbye":        func(k *h2Conn, id uint32) { _ = k.WriteGoAway(0, http2.ErrCodeNo, nil) },
		"a flood": func(k *h2Conn, id uint32) {
			for range 5000 {
				if k.WritePing(false, [8]byte{}) != nil {
					return
				}
			}
		},
		"a long head": func(k *h2Conn, id uint32) {
			k.head(id, true, ":status", "200", "a", strings.Repeat("b", 12<<10), "c", strings.Repeat("d", 60<<10))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, baseSpec())
			p := w.speakH2(signInHost, answering(func(k *h2Conn, id uint32, _ []hpack.HeaderField, _ bool) { answer(k, id) }))
			client := w.client(false)
			resp, err := client.Get("https://" + signInHost + "/common")
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != 502 || resp.Header.Get("Set-Cookie") != "" {
				t.Errorf("%d %v %q", resp.StatusCode, resp.Header, body)
			}
			if n := len(p.heads()); n > 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

// A body that ends early, or goes on too long, must not look whole.
func TestALengthThatDoesNotHoldByHTTP2EndsTheAnswer(t *testing.T) {
	for name, data := range map[string]string{"short": "hel", "long": "hello, world"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, baseSpec())
			w.speakH2(signInHost, answering(func(k *h2Conn, id uint32, _ []hpack.HeaderField, _ bool) {
				k.head(id, false, ":status", "200", "content-length", "5")
				_ = k.WriteData(id, true, []byte(data))
			}))
			resp, err := w.client(false).Get("https://" + signInHost + "/common")
			if err != nil {
				return
			}
			defer resp.Body.Close()
			if got, err := io.ReadAll(resp.Body); err == nil && resp.StatusCode == 200 {
				t.Errorf("%q looks whole", got)
			}
		})
	}
}

// Interim answers, unknown lengths, trailers and HEAD arrive as by HTTP/1.1.
func TestAnswersByHTTP2ArriveWhole(t *testing.T) {
	w := newWorld(t, baseSpec())
	p := w.speakH2(signInHost, answering(func(k *h2Conn, id uint32, fields []hpack.HeaderField, _ bool) {
		if len(fields) > 0 && fields[0].Value == "HEAD" {
			k.head(id, true, ":status", "200", "content-length", "7")
			return
		}
		k.head(id, false, ":status", "103", "link", "</a>")
		k.head(id, false, ":status", "200", "trailer", "x-end")
		_ = k.WriteData(id, false, []byte("first "))
		_ = k.WriteData(id, false, []byte("second"))
		k.head(id, true, "x-end", "there", "x-other", "unannounced")
	}))
	client := w.client(false)
	for range 3 {
		resp, err := client.Get("https://" + signInHost + "/common")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(got) != "first second" || resp.Trailer.Get("X-End") != "there" || len(resp.Trailer) != 1 {
			t.Errorf("%q %v %v", got, err, resp.Trailer)
		}
		resp, err = client.Head("https://" + signInHost + "/common")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.ContentLength != 7 {
			t.Errorf("HEAD: %d", resp.ContentLength)
		}
	}
	if n := p.o.count.Load(); n > 2 { // one of them found out which protocol it speaks
		t.Errorf("%d connections", n)
	}
}

// A kept connection that an origin refuses to use is left, and only what may be sent twice is sent again.
func TestAGoodbyeByHTTP2IsReplayedOnlyWhereItMayBe(t *testing.T) {
	w := newWorld(t, baseSpec())
	var mu sync.Mutex
	refuse := false
	w.speakH2(signInHost, answering(func(k *h2Conn, id uint32, f []hpack.HeaderField, e bool) {
		mu.Lock()
		defer mu.Unlock()
		if refuse && id > 1 {
			_ = k.WriteRSTStream(id, http2.ErrCodeRefusedStream)
			return
		}
		okH2(k, id, f, e)
	}))
	client := w.client(false)
	get := func(method string) int {
		req, _ := http.NewRequest(method, "https://"+signInHost+"/common", nil)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := get("GET"); got != 200 {
		t.Fatal(got)
	}
	mu.Lock()
	refuse = true
	mu.Unlock()
	if got := get("GET"); got != 200 { // sent again on a new connection
		t.Errorf("GET: %d", got)
	}
	if got := get("POST"); got != 502 {
		t.Errorf("POST: %d", got)
	}
	w.waitRecord(func(r audit.Record) bool { return r.Method == "POST" && strings.HasPrefix(r.Error, "upstream-broken") })
}

// A large answer passes although nobody reads it at once, and memory does not hold it.
func TestALargeAnswerByHTTP2(t *testing.T) {
	const size = 24 << 20
	w := newWorld(t, baseSpec())
	w.speakH2(signInHost, answering(func(k *h2Conn, id uint32, _ []hpack.HeaderField, _ bool) {
		k.head(id, false, ":status", "200")
		go func() { // the peer gives room by what it reads; this one counts it by hand
			part := make([]byte, 16<<10)
			for n := 0; n < size; n += len(part) {
				_ = k.WriteData(id, n+len(part) >= size, part)
				if n%(1<<20) == 0 {
					time.Sleep(5 * time.Millisecond)
				}
			}
		}()
	}))
	resp, err := w.client(false).Get("https://" + signInHost + "/common")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != size {
		t.Errorf("%d %v", n, err)
	}
}
