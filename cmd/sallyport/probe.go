package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/toolset"
	"github.com/sallyport-dev/sallyport/internal/admin"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// This file is what servers say of themselves: they are asked if the config says so.

// probes is what servers have said last, by name. The zero value is nothing.
type probes struct {
	mu   sync.Mutex
	last map[string]*probed
	news chan struct{}
}

// probed is what a server has said of itself.
type probed struct {
	server   upstream.Server // that was asked: another of the same name is another
	at       time.Time
	err      error
	modern   bool
	versions []string
	tools    []admin.Tool // without what the lock says of them
}

// Bounds on one round of questions.
const (
	probing    = 30 * time.Second // for one server to answer all of it
	atOnce     = 8                // servers
	maxSaidOf  = 512              // bytes of a description that are kept
	maxNoted   = 4 << 10          // bytes of annotations
	probeTick  = time.Second      // the least time between two rounds
	noQuestion = time.Hour        // how often to see whether there is one, if nothing changes
)

// probe asks servers about themselves until ctx ends.
func (g *program) probe(ctx context.Context) {
	for {
		wait := g.ask(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(wait, probeTick)):
		case <-g.probes.changed():
		}
	}
}

// ask asks those servers that are due, and says when the next ones are.
func (g *program) ask(ctx context.Context) (wait time.Duration) {
	b := g.state.build()
	if b.config.Discovery == nil || b.config.Discovery.Probe == nil {
		return noQuestion
	}
	every := time.Duration(b.config.Discovery.Probe.Every)
	wait = every
	var all sync.WaitGroup
	room := make(chan struct{}, atOnce)
	for name, s := range b.servers {
		if last := g.probes.of(name, s); last != nil && g.now().Sub(last.at) < every {
			wait = min(wait, every-g.now().Sub(last.at))
			continue
		}
		if !s.hold() {
			continue
		}
		all.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			defer s.release(g.log, name)
			asked := g.question(ctx, s, len(s.config.Command) > 0)
			if ctx.Err() == nil {
				g.probes.keep(name, asked)
			}
		})
	}
	all.Wait()
	g.probes.retain(b.servers)
	return wait
}

// question asks one server what it speaks, and which tools it has.
func (g *program) question(ctx context.Context, s upstream.Server, command bool) *probed {
	ctx, cancel := context.WithTimeout(ctx, probing)
	defer cancel()
	l := &lister{ctx: ctx, server: s, command: command, now: g.now}
	tools, err := l.listTools()
	p := &probed{server: s, at: g.now(), err: err, modern: l.modern, versions: l.versions}
	if ctx.Err() != nil && err != nil {
		p.err = errors.New("it has not said what it speaks, and which tools it has, in " + probing.String())
	}
	for _, t := range tools {
		p.tools = append(p.tools, catalogued(t))
	}
	return p
}

// catalogued is what is kept of a tool's definition.
func catalogued(t jsonscan.Value) admin.Tool {
	out := admin.Tool{Name: brief(t.Get("name")), Title: brief(t.Get("title")), Description: brief(t.Get("description")), Hash: toolset.Hash(t)}
	if a := t.Get("annotations"); a.Kind() == jsonscan.Object && len(a.Raw()) <= maxNoted {
		out.Annotations = slices.Clone(a.Raw())
	}
	return out
}

// brief is the text of a value, cut where it gets long.
func brief(v jsonscan.Value) string {
	text := v.Text()
	if len(text) > maxSaidOf {
		cut := maxSaidOf
		for cut > 0 && text[cut]&0xc0 == 0x80 { // in the middle of a character
			cut--
		}
		return text[:cut] + "..."
	}
	return string([]byte(text)) // it may be a part of much more
}

// changed tells when there may be servers that were not asked yet.
func (p *probes) changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.news == nil {
		p.news = make(chan struct{}, 1)
	}
	return p.news
}

// sooner has servers asked that were not asked yet.
func (p *probes) sooner() {
	p.changed()
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// of is what a server has said; nil: nothing yet.
func (p *probes) of(name string, s upstream.Server) *probed {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := p.last[name]; last != nil && last.server == s {
		return last
	}
	return nil
}

func (p *probes) keep(name string, said *probed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil {
		p.last = map[string]*probed{}
	}
	p.last[name] = said
}

// retain forgets what servers said that are not there any more.
func (p *probes) retain(servers map[string]*sharedServer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, said := range p.last {
		if s := servers[name]; s == nil || said.server != upstream.Server(s) {
			delete(p.last, name)
		}
	}
}

// fill adds what a server has said of itself.
func (p *probes) fill(out *admin.Server, name string, s upstream.Server) {
	last := p.of(name, s)
	if last == nil {
		return
	}
	at := last.at.UTC()
	out.Probed = &at
	if last.err != nil {
		out.Error = last.err.Error()
		return
	}
	out.Era, out.Protocols, out.Tools = "legacy", last.versions, new(len(last.tools))
	if last.modern {
		out.Era = "modern"
	}
}
