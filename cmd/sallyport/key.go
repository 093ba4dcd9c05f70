package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
)

// readKey reads a key of 32 bytes from a file that holds it in hex or base64.
func readKey(name string) ([]byte, error) {
	text, err := os.ReadFile(name) //nolint:gosec // the file that the config names
	if err != nil {
		return nil, err
	}
	text = bytes.TrimSpace(text)
	for _, decode := range []func(string) ([]byte, error){hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawURLEncoding.DecodeString} {
		if key, err := decode(string(text)); err == nil && len(key) == 32 {
			return key, nil
		}
	}
	return nil, errors.New(name + " does not hold 32 bytes in hex or base64")
}
