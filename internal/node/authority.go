package node

import (
	"path/filepath"

	"sekisho/internal/ca"
	"sekisho/internal/catalog"
	"sekisho/internal/config"
)

// Authority is the signing authority of a data folder, for commands that look after it while nothing runs.
type Authority struct {
	Folder  string
	Created []string // full names of the files just made
	Info    ca.Info
	RootPEM []byte
}

// OpenAuthority opens the signing authority of the data folder with the names and the CRL URL of c, and makes what is
// missing.
func OpenAuthority(data string, c *config.Config) (*Authority, error) {
	if err := folders(data).make(); err != nil {
		return nil, err
	}
	dir := folders(data).ca()
	authority, created, err := ca.Open(dir, authorityOptions(c, catalog.Builtin(), configuredCRL(c)))
	if err != nil {
		return nil, err
	}
	a := &Authority{Folder: dir, Info: authority.Info(), RootPEM: authority.RootPEM()}
	for _, file := range created {
		a.Created = append(a.Created, filepath.Join(dir, file))
	}
	return a, nil
}

// ShowAuthority describes the signing authority of the data folder and changes nothing. A folder without one is an
// error that says how to make it.
func ShowAuthority(data string) (*Authority, error) {
	dir := folders(data).ca()
	info, root, err := ca.Show(dir)
	if err != nil {
		return nil, err
	}
	return &Authority{Folder: dir, Info: info, RootPEM: root}, nil
}

// ImportAuthority installs an organisation's own issuing CA in the data folder.
func ImportAuthority(data string, c *config.Config, certificateFile, keyFile string) error {
	if err := folders(data).make(); err != nil {
		return err
	}
	return ca.Import(folders(data).ca(), certificateFile, keyFile, authorityOptions(c, catalog.Builtin(), configuredCRL(c)))
}

// configuredCRL is where clients will find the revocation lists when c runs.
func configuredCRL(c *config.Config) string {
	if c.URLs.CRL.Given() {
		return c.URLs.CRL.V
	}
	return "http://" + c.Listen.Operations.V.String() + "/crl"
}
