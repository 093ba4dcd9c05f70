package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/admin"
	"github.com/sallyport-dev/sallyport/internal/audit"
)

// state is what serves now, and how the last attempt to replace it went.
type state struct {
	changing sync.Mutex // held by who replaces it
	stopping atomic.Bool
	current  atomic.Pointer[build]
	mu       sync.Mutex
	reload   admin.Reload
	fresh    freshness
	unheard  string // why what operators have said elsewhere can't be taken over; guarded by changing
}

func (s *state) build() *build { return s.current.Load() }

// take makes what was read anew what serves.
func (g *program) take(b *build) {
	g.swap(b)
	g.reloaded(admin.Reload{OK: true, Time: b.at})
}

// swap makes b what serves.
func (g *program) swap(b *build) {
	prev := g.state.build()
	g.tryOut(b, prev)
	if err := g.builder.keys.Replace(b.keys...); err != nil { // readKeys has looked at each
		g.log.Error("the keys stay as they were", "error", err)
	}
	g.state.current.Store(b)
	g.begin(b, prev)
	g.gateway.Swap(b.snapshot)
	if prev != nil && prev.identity != b.identity {
		prev.identity.Close()
	}
	for _, d := range b.policy.Warnings() {
		g.log.Warn("a policy may not mean what it says", "code", d.Code, "file", d.File, "line", d.Line, "column", d.Column, "mistake", d.Message)
	}
	if b.policy == nil {
		g.log.Warn("no policy is loaded: every call is denied")
	}
	g.metrics.SetPolicy(b.policy.Revision())
	if b.limiter != nil {
		b.limiter.Retain(b.limited)
	}
	g.metrics.Retain(g.builder.names(b.config))
	g.metrics.RetainVersions(func(server, version string) bool {
		_, ok := b.config.Servers[server].Versions[version]
		return ok
	})
	if prev != nil {
		g.tell(prev, b)
		g.probes.sooner()
	}
}

func (g *program) reloaded(r admin.Reload) {
	g.metrics.Reloaded(r.OK, r.Time)
	g.state.mu.Lock()
	g.state.reload = r
	g.state.mu.Unlock()
}

// reload builds a snapshot beside the one that serves, and swaps it in. If that fails the one that serves stays.
func (g *program) reload(why string) {
	g.state.changing.Lock()
	defer g.state.changing.Unlock()
	tidy, start := untidy(), g.now()
	said := g.renew(why)
	tidy()
	if said != nil {
		g.log.Info("reloaded", append(said, "took", g.now().Sub(start))...)
	}
}

// renew is reload, and returns what the log says of it; nil if it fails.
func (g *program) renew(why string) (said []any) {
	prev := g.state.build()
	next, err := g.builder.make(g.ctx, prev)
	if err != nil {
		g.keep(why, err)
		return nil
	}
	if prev.config.Listen != next.config.Listen || prev.config.Admin.Listen != next.config.Admin.Listen {
		g.log.Warn("a listen address has changed: that needs a restart")
	}
	if was, is := prev.config.Replicas, next.config.Replicas; was.Advertise != is.Advertise || was.CA != is.CA || !slices.Equal(was.Peers, is.Peers) {
		g.log.Warn("how replicas reach each other has changed: that needs a restart")
	}
	g.take(next)
	cause := why
	if name := next.given.called(); name != "" {
		cause += ": " + name
	}
	g.note(audit.Reloaded, cause)
	return append([]any{"why", cause, "revision", next.policy.Revision(), "was", prev.policy.Revision()}, next.given.said()...)
}

// keep says why a reload failed, with every mistake that was found.
func (g *program) keep(cause string, err error) {
	r := admin.Reload{Time: g.now(), Error: err.Error()}
	if ds, ok := errors.AsType[source.Diagnostics](err); ok {
		r.Diagnostics, r.Error = ds, why(ds)
		g.logMistakes(ds)
	}
	g.log.Error("reload failed: the last good state stays", "why", cause, "error", r.Error, "revision", g.state.build().policy.Revision())
	g.reloaded(r)
	g.note(audit.ReloadFailed, cause+": "+r.Error)
}

func (g *program) logMistakes(ds source.Diagnostics) {
	for _, d := range ds {
		log := g.log.Error
		if d.Severity == source.Warning {
			log = g.log.Warn
		}
		log("a mistake in the config or a policy", "code", d.Code, "file", d.File, "line", d.Line, "column", d.Column, "mistake", d.Message, "help", d.Help)
	}
}

// settle is how long files must be quiet before they are read: editors write in several steps. Files that are never quiet are read
// all the same, that long after the first notice.
const settle, latest = 25 * time.Millisecond, time.Second

// poll is a net below the file system's notices, which some file systems don't give.
const poll = 10 * time.Second

// watch reloads on SIGHUP and when a file changes, until ctx ends. What was read is compared by its digest, so a notice too many costs little.
func (g *program) watch(ctx context.Context) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		g.log.Warn("files can't be watched: send SIGHUP to reload", "error", err)
		w = &fsnotify.Watcher{}
	} else {
		defer w.Close() //nolint:errcheck // nothing follows
	}
	tick := time.NewTicker(poll)
	defer tick.Stop()
	last := g.read
	var from, trying following
	defer from.stop()
	defer trying.stop()
	var lists registries
	defer lists.stop()
	var late <-chan time.Time
	quiet := time.After(0) // what has changed since the first build began
	for g.follow(w); ; {
		news, tried := from.to(ctx, g.state.build().follower), trying.to(ctx, g.state.build().trying)
		listed := g.askRegistries(ctx, &lists)
		select {
		case <-ctx.Done():
			return
		case <-g.hangup:
			g.reopen()
			last = g.builder.origin.fingerprint(g.state.build().config) // before the reload: what changes meanwhile is another change
			//nolint:contextcheck // a trial outlives what begins it
			g.reload("SIGHUP")
			from.sooner()
			trying.sooner()
			lists.sooner()
			g.follow(w)
			continue
		case <-news:
			g.hear(&from) //nolint:contextcheck // closing is not to be cancelled
			continue
		case <-listed:
			g.hearRegistries(&lists) //nolint:contextcheck // a trial outlives what begins it
			continue
		case <-tried:
			g.hearCandidate(&trying) //nolint:contextcheck // a trial outlives what begins it
			continue
		case <-g.ages():
			g.freshen() //nolint:contextcheck // likewise
			continue
		case e := <-w.Events:
			if g.concerns(e.Name) {
				quiet = time.After(settle)
				if late == nil {
					late = time.After(latest)
				}
			}
			continue
		case err := <-w.Errors:
			g.log.Warn("watching files", "error", err)
			continue
		case <-tick.C:
			g.freshen() //nolint:contextcheck // likewise
		case <-quiet:
		case <-late:
		}
		quiet, late = nil, nil
		if now := g.builder.origin.fingerprint(g.state.build().config); now != last {
			last = now
			g.reload("files changed") //nolint:contextcheck // likewise
			g.follow(w)
		}
		g.hearState() //nolint:contextcheck // likewise
	}
}

// reopen has records go to a new file, if the old one was moved away.
func (g *program) reopen() {
	if err := g.audit.Reopen(); err != nil {
		g.log.Error("the record file could not be reopened", "error", err)
	}
}

// concerns says whether a change of this file could change what a reload reads. Records may be written to the same folder.
func (g *program) concerns(name string) bool {
	swap := strings.HasPrefix(filepath.Base(name), "..") // Kubernetes swaps the link ..data
	named := func(file string) bool { return filepath.Clean(file) == filepath.Clean(name) }
	d := g.state.build().config.Discovery
	found := d != nil && (d.State != "" && named(d.State) || slices.ContainsFunc(d.Watched(), func(path string) bool {
		return filepath.Dir(name) == filepath.Clean(path) || named(path)
	}))
	return bundle.IsSource(name) || found || swap || filepath.Ext(name) == "" || slices.ContainsFunc(g.builder.origin.files(g.state.build().config), named)
}

// follow watches the folders of the files: an editor, and Kubernetes' symlink swap, replace a file and don't change it.
func (g *program) follow(w *fsnotify.Watcher) {
	watched := make(map[string]bool)
	for _, name := range w.WatchList() {
		watched[name] = true
	}
	c := g.state.build().config
	names := g.builder.origin.files(c)
	if c.Discovery != nil {
		names = append(names, c.Discovery.Watched()...)
		if c.Discovery.State != "" {
			names = append(names, c.Discovery.State)
		}
	}
	for _, name := range names {
		for _, dir := range []string{filepath.Dir(name), name, filepath.Join(name, "detectors"), filepath.Join(name, "tables")} {
			if info, err := os.Stat(dir); err != nil || !info.IsDir() || watched[filepath.Clean(dir)] {
				continue
			}
			if err := w.Add(dir); err != nil {
				g.log.Warn("can't be watched", "path", dir, "error", err)
			}
			watched[filepath.Clean(dir)] = true
		}
	}
}

// status is what the admin API shows.
func (g *program) status() admin.Status {
	b := g.state.build()
	v, _ := buildVersion()
	seq, head := g.audit.Head()
	s := admin.Status{
		Version: v, Started: g.started.UTC(), Revision: b.policy.Revision(), Loaded: b.at.UTC(),
		Audit: admin.Audit{OK: g.audit.Err() == nil, File: b.config.Audit.File, Seq: seq, Head: head, Pending: g.audit.Stats().Pending},
	}
	if err := g.audit.Err(); err != nil {
		s.Audit.Error = err.Error()
	}
	g.state.mu.Lock()
	s.Reload = g.state.reload
	g.state.mu.Unlock()
	s.Servers, s.Registries = g.servers(), g.registryStatus()
	s.Plugins = pluginStatus(b.policy)
	return s
}
