package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/sallyport-dev/sallyport/internal/config"
)

// readKey reads the file that holds the key of sessions.
func readKey(name string) ([]byte, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	key, err := config.ParseKey(string(bytes.TrimSpace(text)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return key, nil
}
