//go:build !unix

package socket

import "net"

// Pair returns the two ends of a connection inside this process.
func Pair() (a, b net.Conn, err error) {
	a, b = net.Pipe()
	return a, b, nil
}
