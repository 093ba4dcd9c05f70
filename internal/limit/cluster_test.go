package limit

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valkey-io/valkey-go"
)

// cluster is three servers of the test's own that share the slots of keys.
type cluster struct {
	nodes [3]valkey.Client // each by itself
	addrs [3]string
	ids   [3]string
}

// shared is the cluster of all tests that leave it whole: one takes two seconds to come about.
var shared struct {
	*cluster
	stop []func()
}

// untilExit has what a test begins last until all have ended.
type untilExit struct{ testing.TB }

func (untilExit) Cleanup(stop func()) { shared.stop = append(shared.stop, stop) }

func TestMain(m *testing.M) {
	code := m.Run()
	for _, stop := range slices.Backward(shared.stop) {
		stop()
	}
	os.Exit(code)
}

// emptyCluster is the one that is shared, without a key.
func emptyCluster(t *testing.T) *cluster {
	t.Helper()
	if shared.cluster == nil {
		shared.cluster = newCluster(untilExit{t})
	}
	for i := range shared.nodes {
		shared.do(t, i, "FLUSHALL")
	}
	return shared.cluster
}

// newCluster starts one, or skips the test where there is no server.
func newCluster(t testing.TB) *cluster {
	t.Helper()
	c := &cluster{}
	for i := range c.nodes {
		_, port, _ := net.SplitHostPort(c.start(t, i))
		for other := range i {
			c.do(t, other, "CLUSTER", "MEET", "127.0.0.1", port, c.bus(t, i))
		}
	}
	for i, slots := range [][2]string{{"0", "5460"}, {"5461", "10922"}, {"10923", "16383"}} {
		c.do(t, i, "CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1])
		c.ids[i] = c.do(t, i, "CLUSTER", "MYID")
		c.do(t, i, append([]string{"ACL", "SETUSER"}, strings.Fields(leastUser+" +cluster|slots +cluster|shards")...)...)
	}
	for i := range c.nodes {
		eventually(t, "the cluster is one", func() bool {
			said := c.do(t, i, "CLUSTER", "INFO")
			return strings.Contains(said, "cluster_state:ok") && strings.Contains(said, "cluster_known_nodes:3")
		})
	}
	return c
}

// start starts a node.
func (c *cluster) start(t testing.TB, i int) string {
	t.Helper()
	c.addrs[i] = freeAddress(t)
	_, port, _ := net.SplitHostPort(c.addrs[i])
	_, bus, _ := net.SplitHostPort(freeAddress(t))
	dir, err := os.MkdirTemp("", "sallyport") //nolint:usetesting // what is shared outlives its test
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	startStore(t, "--bind", "127.0.0.1", "--port", port, "--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "2000", "--dir", dir)
	eventually(t, "a node listens", func() bool {
		client, err := valkey.NewClient(valkey.ClientOption{InitAddress: []string{c.addrs[i]}, ForceSingleClient: true, DisableCache: true})
		c.nodes[i] = client
		return err == nil
	})
	t.Cleanup(c.nodes[i].Close)
	return c.addrs[i]
}

func (c *cluster) bus(t testing.TB, i int) string {
	t.Helper()
	return strings.Fields(c.do(t, i, "CONFIG", "GET", "cluster-port"))[1]
}

// do says something to one node.
func (c *cluster) do(t testing.TB, node int, words ...string) string {
	t.Helper()
	said := c.nodes[node].Do(t.Context(), c.nodes[node].B().Arbitrary(words...).Build())
	if pair, err := said.AsStrMap(); err == nil {
		for name, value := range pair {
			return name + " " + value
		}
	}
	if n, err := said.AsInt64(); err == nil {
		return strconv.FormatInt(n, 10)
	}
	text, err := said.ToString()
	if err != nil {
		t.Fatalf("%s: %v", strings.Join(words, " "), err)
	}
	return text
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// limiter makes a replica's Limiter, which is told of one node.
func (c *cluster) limiter(t *testing.T) *Limiter { return c.limiterAt(t, 0) }

func (c *cluster) limiterAt(t *testing.T, node int) *Limiter {
	t.Helper()
	l, err := NewValkey(ValkeyOptions{Address: c.addrs[node], Cluster: true, Username: "sallyport", Password: leastPassword, Timeout: 20 * time.Second, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// What is counted stays counted when another node gets the keys, and whichever node a replica was told of.
func TestCluster_keysMove(t *testing.T) {
	c := newCluster(t)
	spec := slow("all", 3, "")
	var sets []*Set
	for node := range c.nodes {
		l := c.limiterAt(t, node)
		sets = append(sets, compile(t, l, spec))
		if err := l.Reach(t.Context()); err != nil {
			t.Fatalf("told of node %d: %v", node, err)
		}
	}
	r := call(t, "a", `{}`)
	for _, s := range sets[:2] {
		if got := taken(t, s, r); got != "ok" {
			t.Fatal(got)
		}
	}
	c.move(t, storeKey(&take{limit: &Limit{name: "all"}}))
	if got := taken(t, sets[2], r); got != "ok" {
		t.Errorf("the third of three: %s", got)
	}
	for i, s := range sets {
		if got := taken(t, s, r); !strings.HasPrefix(got, "all rate_limited") {
			t.Errorf("one too many, at replica %d: %s", i, got)
		}
	}
	l := c.limiterAt(t, 1)
	if err := l.Reach(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.disown(t, storeKey(&take{limit: &Limit{name: "all"}}))
	eventually(t, "nobody has the keys any more", func() bool { return l.Reach(t.Context()) != nil })
}

// disown leaves the slot of a key to nobody.
func (c *cluster) disown(t *testing.T, key string) {
	t.Helper()
	slot := c.do(t, 0, "CLUSTER", "KEYSLOT", key)
	for i := range c.nodes {
		_ = c.nodes[i].Do(t.Context(), c.nodes[i].B().Arbitrary("CLUSTER", "DELSLOTS", slot).Build()).Error() // who knows of none has none
	}
}

// A user who may not ask for the nodes is not sent to one node only, where most keys are not; and is let in when that has changed.
func TestCluster_userMayNotAsk(t *testing.T) {
	c := emptyCluster(t)
	const narrow = "narrow"
	user := strings.Fields(strings.Replace(leastUser, "sallyport ", narrow+" reset ", 1))
	for i := range c.nodes {
		c.do(t, i, append([]string{"ACL", "SETUSER"}, user...)...)
	}
	for node := range c.nodes {
		l, err := NewValkey(ValkeyOptions{Address: c.addrs[node], Cluster: true, Username: narrow, Password: leastPassword, Timeout: 20 * time.Second, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(l.Close)
		if err := l.Reach(t.Context()); !errors.Is(err, errNoCluster) {
			t.Errorf("node %d: error %v", node, err)
		}
		if got := taken(t, compile(t, l, slow("all", 3, "")), call(t, "a", `{}`)); !strings.HasPrefix(got, "all "+ReasonStore) {
			t.Errorf("node %d: %s", node, got)
		}
		c.do(t, node, "ACL", "SETUSER", narrow, "+cluster|slots", "+cluster|shards")
		eventually(t, "it is let in", func() bool { return l.Reach(t.Context()) == nil })
	}
}

// One that is no cluster, and is said to be one.
func TestCluster_isNone(t *testing.T) {
	l, err := NewValkey(ValkeyOptions{Address: newStoreServer(t).addr, Cluster: true, Timeout: 20 * time.Second, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	if err := l.Reach(t.Context()); !errors.Is(err, errNoCluster) {
		t.Errorf("error %v", err)
	}
}

// move gives the slot of a key to the next node, and the key with it.
func (c *cluster) move(t *testing.T, key string) {
	t.Helper()
	slot := c.do(t, 0, "CLUSTER", "KEYSLOT", key)
	from := -1
	for i := range c.nodes {
		if c.nodes[i].Do(t.Context(), c.nodes[i].B().Arbitrary("GET", key).Build()).Error() == nil {
			from = i
		}
	}
	if from < 0 {
		t.Fatal("no node has " + key)
	}
	to := (from + 1) % len(c.nodes)
	c.do(t, to, "CLUSTER", "SETSLOT", slot, "IMPORTING", c.ids[from])
	c.do(t, from, "CLUSTER", "SETSLOT", slot, "MIGRATING", c.ids[to])
	_, port, _ := net.SplitHostPort(c.addrs[to])
	if said := c.do(t, from, "MIGRATE", "127.0.0.1", port, key, "0", "5000"); said != "OK" {
		t.Fatal(said)
	}
	eventually(t, "what Reach has left is gone", func() bool { return c.do(t, from, "CLUSTER", "COUNTKEYSINSLOT", slot) == "0" })
	for _, node := range []int{to, from} {
		c.do(t, node, "CLUSTER", "SETSLOT", slot, "NODE", c.ids[to])
	}
}
