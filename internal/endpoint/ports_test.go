package endpoint

import (
	"encoding/json"
	"testing"
)

func TestParsePorts(t *testing.T) {
	tests := []struct{ name, in, want, reason string }{
		{"one", "tcp/443", "tcp/443", ""},
		{"list", "tcp/80,443", "tcp/80,443", ""},
		{"groups and ranges", "tcp/80,443 udp/123 tcp/5228-5230", "tcp/80,443,5228-5230 udp/123", ""},
		{"sorted", "udp/3478-3481 tcp/443,80", "tcp/80,443 udp/3478-3481", ""},
		{"merged where they overlap", "tcp/1-10,5-20", "tcp/1-20", ""},
		{"merged where they touch", "tcp/80,81,82", "tcp/80-82", ""},
		{"repeated", "tcp/443 tcp/443", "tcp/443", ""},
		{"contained", "tcp/1-100,5", "tcp/1-100", ""},
		{"range of one", "tcp/443-443", "tcp/443", ""},
		{"all", "tcp/1-65535", "tcp/1-65535", ""},
		{"up to the last", "tcp/65535,65534", "tcp/65534-65535", ""},
		{"upper case", "TCP/443 Udp/53", "tcp/443 udp/53", ""},
		{"spaces", "  tcp/443   udp/53 ", "tcp/443 udp/53", ""},
		{"empty", "", "", "empty"},
		{"spaces only", "   ", "", "empty"},
		{"number alone", "443", "", "protocol"},
		{"unknown protocol", "sctp/443", "", "protocol"},
		{"tab", "tcp/443\tudp/53", "", "port"},
		{"no port", "tcp/", "", "separator"},
		{"trailing comma", "tcp/443,", "", "separator"},
		{"space after comma", "tcp/80, 443", "", "separator"},
		{"port 0", "tcp/0", "", "port"},
		{"range from 0", "tcp/0-10", "", "port"},
		{"too large", "tcp/65536", "", "port"},
		{"far too large", "tcp/99999999999999999999", "", "port"},
		{"leading zero", "tcp/0443", "", "port"},
		{"sign", "tcp/+443", "", "port"},
		{"negative", "tcp/-1", "", "port"},
		{"open range", "tcp/443-", "", "port"},
		{"backwards", "tcp/443-80", "", "port-order"},
		{"two hyphens", "tcp/1-2-3", "", "port"},
		{"star", "tcp/*", "", "port"},
		{"full-width digits", "tcp/４４３", "", "port"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParsePorts(tt.in)
			reason := reasonOf(t, err)
			if got.String() != tt.want || reason != tt.reason {
				t.Errorf("ParsePorts(%q) = %q, reason %q; want %q, reason %q", tt.in, got, reason, tt.want, tt.reason)
			}
		})
	}
	_, err := ParsePorts("443")
	if want := `ports "443": byte 1: a group of ports begins with tcp/ or udp/; write "tcp/443"`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestPortsAllows(t *testing.T) {
	p := MustPorts("tcp/80,443,5228-5230 udp/123")
	for _, tt := range []struct {
		proto Proto
		port  uint16
		want  bool
	}{{TCP, 80, true}, {TCP, 443, true}, {TCP, 5227, false}, {TCP, 5228, true}, {TCP, 5230, true}, {TCP, 5231, false},
		{TCP, 123, false}, {UDP, 123, true}, {UDP, 443, false}, {0, 443, false}, {TCP, 0, false}} {
		if got := p.Allows(tt.proto, tt.port); got != tt.want {
			t.Errorf("%v/%d: %v, want %v", tt.proto, tt.port, got, tt.want)
		}
	}
	if Ports(nil).Allows(TCP, 443) || Ports(nil).String() != "" {
		t.Error("nil allows something")
	}
}

func TestPortsUnionLeavesItsPartsAlone(t *testing.T) {
	a, b := MustPorts("tcp/1-10"), MustPorts("tcp/5-20 udp/53")
	if got := a.Union(b); got.String() != "tcp/1-20 udp/53" || !got.Equal(MustPorts("udp/53 tcp/1-20")) {
		t.Errorf("union is %q", got)
	}
	if a.String() != "tcp/1-10" || b.String() != "tcp/5-20 udp/53" {
		t.Errorf("union changed its parts: %q, %q", a, b)
	}
	if got := NewPorts(PortRange{TCP, 5, 1}, PortRange{0, 1, 2}, PortRange{UDP, 0, 2}); got != nil {
		t.Errorf("impossible ranges gave %q", got)
	}
}

func TestPortsAsJSON(t *testing.T) {
	out, err := json.Marshal(map[string]any{"ports": MustPorts("udp/53 tcp/443"), "none": Ports{}})
	if err != nil || string(out) != `{"none":"","ports":"tcp/443 udp/53"}` {
		t.Errorf("%s, %v", out, err)
	}
	var p Ports
	if err := json.Unmarshal([]byte(`"tcp/443 udp/53"`), &p); err != nil || p.String() != "tcp/443 udp/53" {
		t.Errorf("%q, %v", p, err)
	}
}
