package limit

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/sallyport-dev/sallyport/engine/condition"
)

//go:embed gcra.lua
var script string

// ValkeyOptions say where a Valkey or Redis server is. Now is required.
type ValkeyOptions struct {
	Address            string        // host:port
	Cluster            bool          // it is one of a cluster, whose others it knows
	Username, Password string        // "" for none
	Database           int           // none of a cluster has any but 0
	TLS                *tls.Config   // nil: plain TCP
	Timeout            time.Duration // for it to answer a call; 250 ms
	Now                func() time.Time
}

// retryDial is how long to wait between two attempts to reach a server that has never answered. The library comes back to one that has.
const retryDial = time.Second

// refreshShards is how often a cluster is asked which of it has what. One that says that another has a key is believed at once.
const refreshShards = 10 * time.Second

// Bounds of what one connection holds: its buffers, and the calls that wait for its answers, as a power of two.
const (
	valkeyBuffer = 32 << 10
	valkeyRing   = 10
)

// remote keeps the state in Valkey or Redis, by whose clock it goes, so that replicas of the gateway count together.
type remote struct {
	o      valkey.ClientOption
	lua    *valkey.Lua
	wait   time.Duration
	stop   context.CancelFunc
	done   chan struct{} // closed when nothing tries to connect any more
	tried  chan struct{} // closed when the first attempt to connect has ended
	mu     sync.Mutex
	client valkey.Client // nil: not connected yet
	err    error         // why
}

// NewValkey makes a Limiter that keeps its state in Valkey or Redis. It doesn't wait for the server: while that can't be reached, each
// limit says what becomes of calls.
func NewValkey(o ValkeyOptions) (*Limiter, error) {
	env, err := condition.New(condition.Options{CostLimit: maxCost})
	if err != nil {
		return nil, err
	}
	if o.Timeout <= 0 {
		o.Timeout = 250 * time.Millisecond
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &remote{
		o: valkey.ClientOption{
			InitAddress: []string{o.Address}, Username: o.Username, Password: o.Password, SelectDB: o.Database, TLSConfig: o.TLS,
			ClientName: "sallyport", ClientSetInfo: valkey.DisableClientSetInfo, Dialer: net.Dialer{Timeout: max(o.Timeout, time.Second)},
			ForceSingleClient: !o.Cluster, DisableRetry: true, DisableCache: true,
			ClusterOption:      valkey.ClusterOption{ShardsRefreshInterval: refreshShards},
			ReadBufferEachConn: valkeyBuffer, WriteBufferEachConn: valkeyBuffer, RingScaleEachConn: valkeyRing,
		},
		lua: valkey.NewLuaScript(script), wait: o.Timeout, stop: stop, done: make(chan struct{}), tried: make(chan struct{}),
	}
	go r.connect(ctx)
	return &Limiter{env: env, store: r, shared: true, now: o.Now, states: map[string]*state{}}, nil
}

// connect tries until it succeeds.
func (r *remote) connect(ctx context.Context) {
	defer close(r.done)
	for first := true; ; first = false {
		c, err := r.dial()
		r.mu.Lock()
		r.client, r.err = c, err
		r.mu.Unlock()
		if first {
			close(r.tried)
		}
		if err == nil {
			return
		}
		select {
		case <-time.After(retryDial):
		case <-ctx.Done():
			return
		}
	}
}

// dial connects once. Where a cluster doesn't tell of its nodes the library takes its node for a lone server, for good.
func (r *remote) dial() (valkey.Client, error) {
	c, err := valkey.NewClient(r.o)
	if err == nil && !r.o.ForceSingleClient && c.Mode() != valkey.ClientModeCluster {
		c.Close()
		return nil, errNoCluster
	}
	return c, err
}

// connected gives the client, once the first attempt to connect has ended.
func (r *remote) connected(ctx context.Context) (valkey.Client, error) {
	select {
	case <-r.tried:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.client, r.err
}

func (r *remote) take(ctx context.Context, all []take, _ time.Time) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, r.wait)
	defer cancel()
	c, err := r.connected(ctx)
	if err != nil {
		return answer{}, fmt.Errorf("valkey: %w", err)
	}
	keys, args := make([]string, 0, len(all)), make([]string, 0, 3*len(all))
	for i := range all {
		t := &all[i]
		keys = append(keys, storeKey(t))
		b := t.limit.bucket
		args = append(args, strconv.FormatInt(b.interval/int64(tick), 10), strconv.FormatInt(b.burst, 10), strconv.FormatInt(t.cost, 10))
	}
	said, err := r.lua.Exec(ctx, c, keys, args).AsIntSlice()
	if err != nil {
		return answer{}, fmt.Errorf("valkey: %w", err)
	}
	if len(said) != 3 || said[0] < 0 || said[0] > int64(len(all)) {
		return answer{}, errAnswer
	}
	return answer{refused: int(said[0]) - 1, left: said[1], wait: time.Duration(said[2]) * tick}, nil
}

var errNoCluster = errors.New("it is no cluster, or the user may not ask for its nodes: that needs +cluster|slots +cluster|shards")

var errAnswer = errors.New("valkey: the script gave an answer that is none of its own")

// storeKey is what a key is called in the store: a digest, so that what callers send is neither long nor readable there. The tag in
// braces keeps all keys of a call in one slot of a cluster.
func storeKey(t *take) string {
	sum := sha256.Sum256(t.key)
	return "sallyport:{limit}:" + t.limit.name + ":" + hex.EncodeToString(sum[:16])
}

func (r *remote) close() {
	r.stop()
	<-r.done
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != nil {
		r.client.Close()
	}
	r.client, r.err = nil, errClosed
}
