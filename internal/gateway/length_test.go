package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"sekisho/internal/restrict"
)

// TestALongListIsSentWhole: lists behind each limit of other devices (512 bytes, 8 and 16 KiB) arrive at the origin's socket
// in one field, byte for byte, whatever the client and the origin speak.
func TestALongListIsSentWhole(t *testing.T) {
	for _, bytes := range []int{513, 8<<10 + 1, 16<<10 + 1, 60 << 10} {
		t.Run(fmt.Sprint(bytes), func(t *testing.T) {
			spec := baseSpec()
			permitted := []restrict.At{{Text: tenantID}}
			for i := 0; (i+2)*(len(tenantID)+1) <= bytes; i++ {
				permitted = append(permitted, restrict.At{Text: fmt.Sprintf("%08x-7b6f-4c3d-9e8a-1f2b3c4d5e6f", i+1)})
			}
			var list []string
			for _, p := range permitted {
				list = append(list, p.Text)
			}
			want := strings.Join(list, ",")
			spec.Profiles[0].Permitted = permitted
			w := newWorld(t, spec)
			ask := func(h2 bool) {
				t.Helper()
				resp, err := w.client(h2).Do(must(http.NewRequest("GET", "https://"+signInHost+"/", nil)))
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode != 200 {
					t.Errorf("status %d", resp.StatusCode)
				}
			}
			for _, h2 := range []bool{false, true} {
				o := w.origin(signInHost)
				o.forget()
				ask(h2)
				heads := o.seen()
				if line := "\r\nRestrict-Access-To-Tenants: " + want + "\r\n"; len(heads) != 1 || strings.Count(heads[0], line) != 1 ||
					strings.Count(strings.ToLower(heads[0]), "restrict-access-to-tenants") != 1 {
					t.Errorf("h2=%v: the origin got %d heads: %.200q", h2, len(heads), heads)
				}
			}
			w = newWorld(t, spec)
			p := w.speakH2(signInHost)
			for _, h2 := range []bool{false, true} {
				p.forget()
				ask(h2)
				heads := p.heads()
				if len(heads) != 1 || !slices.Contains(heads[0], "restrict-access-to-tenants: "+want) {
					t.Errorf("h2=%v: the origin of HTTP/2 got %d heads: %.200q", h2, len(heads), heads)
				}
			}
		})
	}
}

func must(r *http.Request, err error) *http.Request {
	if err != nil {
		panic(err)
	}
	return r
}
