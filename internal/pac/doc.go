// Package pac is the proxy auto-configuration file: it writes the one that belongs to a policy, and reads others for
// what is dangerous in them.
//
//	text, err := pac.Write(pac.Input{
//		Program: program,
//		Catalog: snapshot,
//		Proxies: []string{"proxy.example.com:3128"},
//		Own:     []string{"http://proxy.example.com:3180/proxy.pac"},
//	})
//
// The file that Write makes sends everything to the proxies, because a host that is not allowed deserves a page that
// says why, with three exceptions that go DIRECT: the machine itself, the servers of Own (whoever fetches the file or
// the revocation list must not need the proxy for it), and the hosts that the administrator listed. No sign-in host,
// no alias of one and nothing beneath their names is ever sent DIRECT, and no proxy list ends in DIRECT: browsers fall
// back to it as soon as the proxy does not answer ("Proxy support in Chrome",
// https://chromium.googlesource.com/chromium/src/+/HEAD/net/docs/proxy.md, read 2026-11-23).
//
// It is written for the oldest engine that reads it (WinHTTP's JScript): ES5, ASCII, no regular expression, no DNS
// function (they block, and lie on machines with two networks), no shExpMatch and no dnsDomainIs (which compares ends
// without a dot before them, so that evillogin.microsoftonline.com passes for login.microsoftonline.com).
//
// The same input gives the same bytes. Running a file is the work of package pac/eval, which no serving program links.
package pac
