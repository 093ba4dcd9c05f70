package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/carry"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// Replicas says how this gateway and others that serve the same clients reach each other. They need the same Options.Keys.
type Replicas struct {
	Home  string         // the URL at which the others reach this one, without a path; "" is nowhere
	Peers []string       // what requests are passed on to; nil: whatever was sealed with the keys
	Roots *x509.CertPool // of the others' certificates; nil: the system's
}

// replicas is what passing on needs. What waits at one replica, and can't be carried by the client, is at home there: a child process with
// its session, a call that waits for its client. Whoever else gets a request for it passes it on, whole and sealed, and the one that is
// at home there decides, records and serves it.
type replicas struct {
	home   string
	peers  []string
	since  time.Time // requests that were passed on before are another process's
	client *http.Client
	once   once

	news, calls   context.Context //nolint:containedctx // of the streams for news and of all that is passed on, which end with the gateway
	endNews, stop func()
}

// Times of what is passed on.
const (
	// dialTime is how long a replica may take to accept a connection.
	dialTime = 2 * time.Second
	// passageTime is how old what is passed on may be, and how far two replicas' clocks may be apart.
	passageTime = 30 * time.Second
)

func newReplicas(o *Options) (*replicas, error) {
	r := o.Replicas
	if r == nil {
		return nil, nil //nolint:nilnil // there are none
	}
	if err := carry.CheckHome(r.Home); err != nil {
		return nil, fmt.Errorf("replicas: %w", err)
	}
	out := &replicas{home: r.Home, peers: r.Peers, since: o.Now().Truncate(time.Millisecond)}
	out.calls, out.stop = context.WithCancel(context.Background())
	out.news, out.endNews = context.WithCancel(out.calls)
	out.client = &http.Client{
		Transport: &http.Transport{
			DialContext:     (&net.Dialer{Timeout: dialTime}).DialContext,
			TLSClientConfig: &tls.Config{RootCAs: r.Roots, MinVersion: tls.VersionTLS12},
			// A connection is given up before the other side does: a request that meets the end of one is told that its fate isn't known.
			IdleConnTimeout: o.Limits.IdleTimeout / 2, MaxIdleConnsPerHost: maxIdle, TLSHandshakeTimeout: dialTime,
			DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return out, nil
}

// maxIdle bounds the connections to one replica that are kept without use.
const maxIdle = 64

// allows says whether requests may be passed on to an address. It was sealed with our keys, so a replica has said it.
func (r *replicas) allows(home string) bool { return r.peers == nil || slices.Contains(r.peers, home) }

// close ends what is left.
func (r *replicas) close() {
	if r != nil {
		r.stop()
		r.client.CloseIdleConnections()
	}
}

// keeper is a server some of whose sessions live in this process.
type keeper interface{ Keeps(session string) bool }

// keeps says whether this session of the server lives in the process that has begun it.
func (x *exchange) keeps(session string) bool {
	k, ok := x.server.(keeper)
	return ok && k.Keeps(session)
}

// homeFor is where a session that the server has begun is at home: here, if it lives here, or if its client can be asked. The answer to a
// question is only taken where it was asked.
func (x *exchange) homeFor(session string) string {
	r := x.g.replicas
	if r == nil || r.home == "" {
		return ""
	}
	c := x.msg.Params.Get("capabilities")
	if x.keeps(session) || c.Get("elicitation").Exists() || c.Get("sampling").Exists() || c.Get("roots").Exists() {
		return r.home
	}
	return ""
}

// elsewhere says whether the request is for what another replica has. It leaves in x.home which one.
func (x *exchange) elsewhere() bool {
	r := x.g.replicas
	if r == nil || x.here {
		return false
	}
	if x.msg.Era == mcp.Modern && !x.lifted {
		x.home = x.homeOfCall()
	}
	return x.home != "" && x.home != r.home
}

// namesAnother says whether a batch is in a session that another replica has.
func (x *exchange) namesAnother() bool {
	if x.g.replicas == nil {
		return false
	}
	open := x.openSession
	if x.view != nil {
		open = x.join
	}
	return open() == nil && x.elsewhere()
}

// homeOfCall is where the call waits that the client goes on with, or the task is that it asks for; "" if nothing says that it is anywhere.
func (x *exchange) homeOfCall() string {
	if x.task.home != "" {
		return x.task.home
	}
	if x.msg.Spec == nil || !x.msg.Spec.Input {
		return ""
	}
	state := x.msg.Params.Get("requestState")
	if !state.Exists() {
		return ""
	}
	server := x.serverName
	if x.version != "" {
		server += "@" + x.version // what each version of a server is called
	}
	plain, err := x.g.Keys.OpenText(carry.Calls, carry.CallOwner(server, x.ownerKey()), state.Text())
	if err != nil {
		return "" // the server's own, or nobody's: whoever gets it will see
	}
	home, _, err := carry.CutHome(plain)
	if err != nil {
		return ""
	}
	return string(home)
}

// once remembers what was passed on, for as long as it could be again. Safe for concurrent use.
type once struct {
	mu    sync.Mutex
	known map[[nonceSize]byte]struct{}
	order []passed
}

type passed struct {
	nonce [nonceSize]byte
	at    time.Time
}

const (
	nonceSize = 12
	// maxPassed bounds what is remembered: four thousand in a second, for a minute.
	maxPassed = 1 << 18
)

var (
	errReplayed = errors.New("it was passed on before")
	errCrowded  = errors.New("more is passed on than can be remembered")
)

// take takes what comes for the first time.
func (o *once) take(nonce [nonceSize]byte, now time.Time) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for ; n < len(o.order) && now.Sub(o.order[n].at) > 2*passageTime; n++ {
		delete(o.known, o.order[n].nonce)
	}
	o.order = o.order[n:]
	if _, again := o.known[nonce]; again {
		return errReplayed
	}
	if len(o.known) >= maxPassed {
		return errCrowded
	}
	if o.known == nil {
		o.known = map[[nonceSize]byte]struct{}{}
	}
	o.known[nonce] = struct{}{}
	o.order = append(o.order, passed{nonce, now})
	return nil
}
