package config

import (
	"fmt"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/seal"
)

// checkEncrypt checks for whom records are sealed. No message repeats a text that could be secret.
func (c *Config) checkEncrypt() source.Diagnostics {
	n := c.node.Get("audit").Get("encrypt")
	if c.Audit.Encrypt == nil || n.Kind() != source.Map {
		return nil
	}
	if n.Get("recipients") == nil && n.Get("file") == nil {
		return one(c.node.Get("audit").Key("encrypt"), "SP1120", "`encrypt` says nothing of who can read the records", "add `recipients: [age1...]`, or `file`")
	}
	var ds source.Diagnostics
	var all seal.Recipients
	known := unique{}
	for i, text := range c.Audit.Encrypt.Recipients {
		at := n.Get("recipients").Index(i)
		ds = append(ds, known.add(text, at, fmt.Sprintf("recipient %d", i+1))...)
		if err := all.Add(text); err != nil && at.Kind() == source.String {
			ds = append(ds, one(at, "SP1120", err.Error(), "`sallyport audit key FILE` makes an identity, and prints its recipient")...)
		}
	}
	return ds
}
