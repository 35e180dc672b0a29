// Package endpoint is the vocabulary of one network endpoint: host names, host patterns, ports, authorities, URLs and
// address prefixes, each with exactly one spelling.
//
// Whatever comes from a person or from the network is brought into normal form once, at the border, and compared only
// in that form:
//
//	h, err := endpoint.ParseHost("Login.MicrosoftOnline.COM.")    // "login.microsoftonline.com"
//	p, err := endpoint.ParsePattern("*.manage.microsoft.com")     // does not match the apex
//	ok := p.Match(h)
//
//	var x endpoint.Index[string]                                  // the only matcher of the product
//	x.Add(p, "intune")
//	v, ok := x.Best(h)
//
// The package refuses every text that two programs could read differently: percent signs, full-width and other
// compatibility characters, invisible characters, other dots than ".", and the many spellings of an IPv4 address that
// C libraries accept (0x7f.1, 127.1, 2130706433). A text is never repaired; [ParseError] says what to write instead.
//
// It does no I/O, has no clock and keeps no state. Sources: RFC 952 and RFC 1123 section 2.1 (host names), RFC 2181
// section 11 (lengths), RFC 3986 (URLs), RFC 5891 and UTS #46 (internationalised names), RFC 9110 section 4.2
// (authorities).
package endpoint
