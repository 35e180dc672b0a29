// Package samba starts a real domain controller for a test: Samba's, with a domain, certificates and accounts of the test.
// Its ports cannot be chosen, so it belongs into a network of its own (package world), where it answers under its name:
//
//	dir, inside := world.Inside(t, func(*testing.T, string) {})
//	if !inside {
//		return
//	}
//	dc, err := samba.Start(dir, objects)
//
// It needs root, because provisioning gives files to other users, and the Debian packages of
// test/suite/prerequisites.sh; no systemd.
package samba
