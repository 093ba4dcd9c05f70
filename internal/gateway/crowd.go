package gateway

import "net"

// fewConnections is how many are served as fast as can be. Where there are more, most of them wait, and those beyond hold no buffers
// meanwhile: half as much memory each, for another system call in each request.
const fewConnections = 256

// crowd is a listener that gives the main server what is accepted while connections are few, and the frugal one the others.
type crowd struct {
	net.Listener
	g *Gateway
}

// Accept implements net.Listener.
func (l *crowd) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil || l.g.watch.open() <= fewConnections {
			return c, err
		}
		go func() { _ = l.g.frugal.ServeConn(c) }() // what goes wrong is recorded, or the client's affair
	}
}
