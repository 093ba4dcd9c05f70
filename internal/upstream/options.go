package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/sallyport-dev/sallyport/internal/budget"
)

// HTTPOptions describe a server that is reached by Streamable HTTP. Durations
// and sizes that are zero get the default named with them.
type HTTPOptions struct {
	URL     string        // http or https; path and query are sent exactly as they stand here
	Header  []Field       // the operator's own header lines, such as credentials
	TLS     *tls.Config   // nil: verify by the system's roots; it is cloned
	CAFile  string        // PEM certificates that replace the system's roots; "" for none
	Timeout time.Duration // for an answer, when the call has no deadline; 30 s

	MaxConns  int // open at a time; calls beyond wait until their deadline; 512
	MaxBody   int // bytes of an answer that is not a stream; 16 MiB
	MaxEvent  int // bytes of one event of a stream; 16 MiB
	MaxHeader int // bytes of the head of an answer; 16 KiB

	Memory *budget.Budget // of which answers are taken; nil has no bound
	Room   *Room          // for the connections of all servers together; nil has no bound

	DialTimeout time.Duration // for connection and TLS handshake; 10 s, at most the call's deadline
	IdleTimeout time.Duration // after which an unused connection is closed; 30 s

	// Dial opens a connection to host:port; nil opens one over TCP.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	Now func() time.Time // required
}

// StdioOptions describe a server that is run as a child process.
type StdioOptions struct {
	Command []string          // program and arguments; no shell is involved
	Env     map[string]string // added to the base environment: PATH, HOME, LANG, LC_ALL, TZ, TMPDIR as BaseEnv has them
	BaseEnv []string          // the gateway's own environment, from which only the names above are taken
	Dir     string            // working directory; "" is the gateway's

	Stderr    func(line string) // called with each line of the child's stderr; nil drops them
	KillGrace time.Duration     // between closing stdin, SIGTERM and SIGKILL; 5 s

	LineOptions
}

// LineOptions are common to all servers that speak newline-delimited JSON.
type LineOptions struct {
	MaxLine     int            // bytes of one line from the server; 16 MiB
	Memory      *budget.Budget // of which messages are taken until they have been read; nil has no bound
	MaxSessions int            // legacy sessions at a time, each of which has a peer of its own; 16
	IdleTimeout time.Duration  // after which an unused session ends; 30 min
	Timeout     time.Duration  // for an answer, when the call has no deadline; 30 s
	WriteWait   time.Duration  // how long the server may leave its input unread; 10 s

	BackoffMin time.Duration // first wait after the shared peer was lost; 500 ms
	BackoffMax time.Duration // longest wait; 30 s

	// Ended is told when a peer has ended of its own accord, and how. It must not block. nil is nobody.
	Ended func(cause error)

	Now func() time.Time // required
}
