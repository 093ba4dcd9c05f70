package main

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"os"

	"github.com/sallyport-dev/sallyport/internal/carry"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/gateway"
)

type keysCommand struct {
	New keysNewCommand `cmd:"" help:"Make a key, and write it to a file that only its owner can read, or to standard output."`
}

type keysNewCommand struct {
	File string `arg:"" optional:"" help:"The file, which must not be there yet."`
}

func (c keysNewCommand) Run(p *process) error {
	text := base64.StdEncoding.EncodeToString(carry.Random()) + "\n"
	if c.File == "" {
		_, err := fmt.Fprint(p.stdout, text)
		return err
	}
	f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// readKeys gives the keys that seal what clients carry, the one that seals first. With none in the config it is one of this process.
func (b *builder) readKeys(c *config.Config) ([][]byte, error) {
	var keys [][]byte
	for i, k := range c.Replicas.Keys {
		key, err := keyOf(k.Key, k.File)
		if err != nil {
			return nil, failf(exitInvalid, "replicas.keys[%d].file: %w", i, err)
		}
		keys = append(keys, key)
	}
	if len(keys) > 0 {
		return keys, nil
	}
	key, err := keyOf(c.Sessions.Key, c.Sessions.KeyFile)
	if err != nil {
		return nil, failf(exitInvalid, "sessions.keyFile: %w", err)
	}
	if key == nil {
		key = b.own
	}
	return [][]byte{key}, nil
}

// keyOf reads the file that holds a key, if there is one.
func keyOf(key config.Key, name string) ([]byte, error) {
	if name == "" {
		return key, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	key, err = config.ParseKey(string(bytes.TrimSpace(text)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return key, nil
}

// replicasOf says how other replicas are reached. Without keys that they share there are none.
func replicasOf(c config.Replicas) (*gateway.Replicas, error) {
	if len(c.Keys) == 0 {
		return nil, nil //nolint:nilnil // there are none
	}
	out := &gateway.Replicas{Home: c.Advertise, Peers: c.Peers}
	if c.CA == "" {
		return out, nil
	}
	pem, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, err
	}
	out.Roots = x509.NewCertPool()
	if !out.Roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", c.CA)
	}
	return out, nil
}
