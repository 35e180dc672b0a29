package asn_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"sekisho/internal/asn"
	"sekisho/internal/finding"
)

// The few types of the format that an ASN database has: "MaxMind DB File Format Specification", section "Output data
// section".
func text(s string) []byte {
	if len(s) >= 29 {
		return append([]byte{0x40 | 29, byte(len(s) - 29)}, s...)
	}
	return append([]byte{0x40 | byte(len(s))}, s...)
}
func u16(n uint16) []byte { return append([]byte{0xa2}, binary.BigEndian.AppendUint16(nil, n)...) }
func u32(n uint32) []byte { return append([]byte{0xc4}, binary.BigEndian.AppendUint32(nil, n)...) }
func u64(n uint64) []byte {
	return append([]byte{0x08, 0x02}, binary.BigEndian.AppendUint64(nil, n)...)
}
func object(kv ...[]byte) []byte {
	return append([]byte{0xe0 | byte(len(kv)/2)}, bytes.Join(kv, nil)...)
}

// database writes an IPv4 database with one network and one record.
func database(t *testing.T, prefix netip.Prefix, record []byte) string {
	t.Helper()
	bits := prefix.Bits()
	var tree []byte
	put := func(n uint32) { tree = append(tree, byte(n>>16), byte(n>>8), byte(n)) }
	addr := prefix.Addr().As4()
	for i := range bits {
		next := uint32(i + 1)
		if i == bits-1 {
			next = uint32(bits) + 16 // the record stands at the beginning of the data, behind 16 bytes
		}
		if addr[i/8]>>(7-i%8)&1 == 0 {
			put(next)
			put(uint32(bits))
		} else {
			put(uint32(bits))
			put(next)
		}
	}
	metadata := object(text("binary_format_major_version"), u16(2), text("binary_format_minor_version"), u16(0), text("build_epoch"), u64(1795000000),
		text("database_type"), text("GeoLite2-ASN"), text("ip_version"), u16(4), text("node_count"), u32(uint32(bits)), text("record_size"), u16(24),
		text("languages"), []byte{0x00, 0x04}, text("description"), object())
	file := filepath.Join(t.TempDir(), "asn.mmdb")
	data := bytes.Join([][]byte{tree, make([]byte, 16), record, []byte("\xab\xcd\xefMaxMind.com"), metadata}, nil)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func microsoft() []byte {
	return object(text("autonomous_system_number"), u32(8075), text("autonomous_system_organization"), text("MICROSOFT-CORP"))
}

func TestLookup(t *testing.T) {
	table, err := asn.Open(database(t, netip.MustParsePrefix("13.104.0.0/14"), microsoft()))
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	h, ok := table.Lookup(netip.MustParseAddr("13.107.6.152"))
	if !ok || h.AS != 8075 || h.Name != "MICROSOFT-CORP" || h.Prefix.String() != "13.104.0.0/14" || table.Name() != "asn.mmdb" || table.Built().Year() != 2026 {
		t.Errorf("%+v, %v, %s", h, ok, table.Built())
	}
	if h, ok := table.Lookup(netip.MustParseAddr("::ffff:13.107.6.152")); !ok || h.AS != 8075 {
		t.Errorf("%+v, %v", h, ok)
	}
	if h, ok := table.Lookup(netip.MustParseAddr("8.8.8.8")); ok {
		t.Errorf("%+v", h)
	}
	if h, ok := table.Lookup(netip.MustParseAddr("2001:db8::1")); ok {
		t.Errorf("an IPv6 address in a database of IPv4: %+v", h)
	}
}

func TestOtherFiles(t *testing.T) {
	dir := t.TempDir()
	good := database(t, netip.MustParsePrefix("13.104.0.0/14"), microsoft())
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		code string
	}{
		"empty.mmdb": {nil, "asn.unreadable"}, "text.mmdb": {[]byte("no database"), "asn.unreadable"}, "half.mmdb": {whole[:len(whole)/2], "asn.unreadable"},
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		table, err := asn.Open(file)
		var p *finding.Problem
		if table != nil || !errors.As(err, &p) || p.Findings[0].Code != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	city := database(t, netip.MustParsePrefix("13.104.0.0/14"), object(text("city"), text("Tokyo")))
	var p *finding.Problem
	if _, err := asn.Open(city); !errors.As(err, &p) || p.Findings[0].Code != "asn.other-kind" {
		t.Errorf("%v", err)
	}
	if _, err := asn.Open(filepath.Join(dir, "missing.mmdb")); !errors.As(err, &p) || p.Findings[0].Code != "asn.unreadable" {
		t.Errorf("%v", err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("no database"))
	f.Add([]byte("\xab\xcd\xefMaxMind.com\xe0"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(t.TempDir(), "f.mmdb")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		table, err := asn.Open(file)
		if (table == nil) == (err == nil) {
			t.Fatal(err)
		}
		if table != nil {
			table.Lookup(netip.MustParseAddr("13.107.6.152"))
			table.Close()
		}
	})
}
