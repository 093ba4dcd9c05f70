package main

import (
	"crypto/tls"
	"net"

	"github.com/sallyport-dev/sallyport/internal/config"
)

// serveTLS puts TLS on a listener. The certificate is read at each handshake's need, so that a renewed one is taken without a restart.
func serveTLS(l net.Listener, c *config.TLS) (net.Listener, error) {
	load := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		return &pair, err
	}
	if _, err := load(); err != nil {
		return l, err
	}
	return tls.NewListener(l, &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return load() },
	}), nil
}
