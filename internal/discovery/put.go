package discovery

import (
	"path/filepath"

	"github.com/sallyport-dev/sallyport/internal/config"
)

// entries reads the servers that were put, as strictly as when they were.
func (k *Kept) entries(c *config.Config) (out []Entry) {
	if c.Discovery.API == nil {
		return nil
	}
	for i := range k.Servers {
		out = append(out, k.Servers[i].Read(c))
	}
	return out
}

// Read makes a server of what was put.
func (p *Put) Read(c *config.Config) Entry {
	e := Entry{Name: p.Name, Source: Admin, From: "put by " + p.By, State: Refused, claim: claimOfAdmin}
	file := p.Name + ".yaml"
	if p.JSON {
		file = p.Name + ".json"
	}
	e.File = filepath.Join(c.Discovery.State, file) // there is no such file: nothing is shown of another
	named, ds := c.ParsePut(e.File, []byte(p.Text))
	if e.Mistakes = ds; !ds.HasErrors() {
		e.State = Serving
	}
	e.Server, e.Digest, e.Written = named.Server, named.Digest, named.Written
	return e
}
