package binary

import "strings"

// maxChain is the most stack that calls may take without being counted.
const maxChain = 16 << 10

// graph says who may call whom. A node is a function, by its index, or behind
// those a type: whoever calls indirectly calls any function of that type that has
// a reference to it.
type graph struct {
	funcs int
	types []uint32   // by function
	canon []uint32   // by type: the first equal one
	taken [][]uint32 // by type: the functions that have references
	known []bool     // by function: whether it is among those

	edges  func(node uint32) []uint32
	weight func(fn uint32) uint64 // stack of a function's frame

	// counted says by function whether its calls are counted, because there may be
	// any number of them in each other or because much hangs below it.
	counted []bool
	// chain is by node the stack of a call up to those that are counted.
	chain []uint64

	order, low []int32 // of Tarjan's algorithm, from 1
	onStack    []bool
	stack      []uint32
	path       []step
}

// step is a node being visited and which of its edges is next.
type step struct {
	node uint32
	next int
}

func newGraph(m *Module) *graph {
	g := &graph{funcs: m.count[KindFunc], types: m.funcs}
	g.canon, g.taken = make([]uint32, len(m.types)), make([][]uint32, len(m.types))
	g.known = make([]bool, g.funcs)
	first := make(map[string]uint32, len(m.types))
	for i, t := range m.types {
		key := typeKey(t)
		if _, ok := first[key]; !ok {
			first[key] = uint32(i)
		}
		g.canon[i] = first[key]
	}
	return g
}

func typeKey(t FuncType) string {
	var b strings.Builder
	for _, v := range t.Params {
		b.WriteByte(byte(v))
	}
	b.WriteByte(0)
	for _, v := range t.Results {
		b.WriteByte(byte(v))
	}
	return b.String()
}

// take notes that there are references to a function.
func (g *graph) take(fn uint32) {
	if int(fn) < g.funcs && !g.known[fn] {
		g.known[fn] = true
		t := g.canon[g.types[fn]]
		g.taken[t] = append(g.taken[t], fn)
	}
}

// anyOf returns the node of the functions of a type.
func (g *graph) anyOf(typ uint32) uint32 { return uint32(g.funcs) + g.canon[typ] }

// solve finds out what must be counted.
func (g *graph) solve() {
	n := g.funcs + len(g.canon)
	g.counted, g.chain = make([]bool, g.funcs), make([]uint64, n)
	g.order, g.low, g.onStack = make([]int32, n), make([]int32, n), make([]bool, n)
	visited := int32(0)
	for root := range uint32(n) {
		if g.order[root] == 0 {
			visited = g.visit(root, visited)
		}
	}
}

// out returns where the edges of a node go.
func (g *graph) out(node uint32) []uint32 {
	if int(node) < g.funcs {
		return g.edges(node)
	}
	return g.taken[int(node)-g.funcs]
}

// visit is Tarjan's algorithm from one node, on a stack of its own: modules decide
// how deep it goes.
func (g *graph) visit(root uint32, visited int32) int32 {
	g.path = append(g.path[:0], step{node: root})
	for len(g.path) > 0 {
		s := &g.path[len(g.path)-1]
		v := s.node
		if s.next == 0 {
			visited++
			g.order[v], g.low[v], g.onStack[v] = visited, visited, true
			g.stack = append(g.stack, v)
		}
		if out := g.out(v); s.next < len(out) {
			to := out[s.next]
			s.next++
			switch {
			case g.order[to] == 0:
				g.path = append(g.path, step{node: to})
			case g.onStack[to]:
				g.low[v] = min(g.low[v], g.order[to])
			}
			continue
		}
		g.path = g.path[:len(g.path)-1]
		if len(g.path) > 0 {
			parent := g.path[len(g.path)-1].node
			g.low[parent] = min(g.low[parent], g.low[v])
		}
		if g.low[v] == g.order[v] {
			g.component(v)
		}
	}
	return visited
}

// component takes the strongly connected component of a node from the stack. What
// it calls outside of itself has been done before.
func (g *graph) component(root uint32) {
	from := len(g.stack) - 1
	for g.stack[from] != root {
		from--
	}
	nodes := g.stack[from:]
	cycle := len(nodes) > 1
	for _, to := range g.out(root) {
		cycle = cycle || to == root
	}
	for _, v := range nodes {
		g.onStack[v] = false
		if int(v) < g.funcs {
			g.counted[v] = cycle
		}
	}
	// Types come first: the functions of the component are counted, so what they
	// add to it is known.
	for _, v := range nodes {
		if int(v) >= g.funcs {
			g.chain[v] = g.below(v)
		}
	}
	for _, v := range nodes {
		if int(v) < g.funcs {
			g.chain[v] = g.weight(v) + g.below(v)
			g.counted[v] = g.counted[v] || g.chain[v] > maxChain
		}
	}
	g.stack = g.stack[:from]
}

// below returns the most stack that a node's calls take without being counted.
func (g *graph) below(v uint32) uint64 {
	most := uint64(0)
	for _, to := range g.out(v) {
		if int(to) >= g.funcs || !g.counted[to] {
			most = max(most, g.chain[to])
		}
	}
	return most
}
