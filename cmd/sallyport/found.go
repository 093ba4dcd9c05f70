package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/admin"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/discovery"
)

// This file is what operators say, by the admin API, of servers that the config doesn't name.

func (g *program) entries() *admin.Entries {
	return &admin.Entries{
		Tokens: g.changes().Tokens,
		Do:     g.changeServer,
		Refused: func(c admin.ServerChange, why string) {
			g.log.Warn("a change was refused", "change", c.Action, "server", c.Name, "by", c.By, "from", c.From, "why", why)
			g.refusedServer(c, why)
		},
		Text: func(ds source.Diagnostics, about []byte) string {
			var text strings.Builder
			_ = ds.WriteText(&text, func(string) []byte { return about }, false, maxDiagnostics) // a strings.Builder takes everything
			return text.String()
		},
	}
}

// refusedServer records and counts what somebody wanted of a server.
func (g *program) refusedServer(c admin.ServerChange, cause string) {
	if c.Action != "" {
		g.metrics.ServerChanged(c.Action, false)
	}
	if err := g.audit.Note(g.serverRecord(c, audit.Refused, cause)); err != nil {
		g.log.Error("a record could not be written", "event", audit.Refused, "error", err)
	}
}

func (g *program) serverRecord(c admin.ServerChange, event, cause string) *audit.Record {
	if event == audit.Refused {
		cause = strings.TrimSpace(c.Action+" "+source.Brief(c.Name)) + ": " + cause
	}
	r := recordOf(admin.Change{By: c.By, From: c.From}, event, g.state.build().policy.Revision(), cause)
	if config.ValidName(c.Name) {
		r.Server = c.Name
	}
	return r
}

// changeServer does what an operator wants of a server, whole or not at all.
func (g *program) changeServer(ctx context.Context, c admin.ServerChange) (*admin.Entry, error) {
	if c.Action == admin.ShowServer {
		return entryOf(g.state.build(), c.Name)
	}
	if err := g.lockedChange(ctx, c); err != nil {
		cause := err.Error()
		if ds, ok := errors.AsType[source.Diagnostics](err); ok {
			cause = firstError(ds)
		}
		g.log.Error("a change failed: the servers stay as they are", "change", c.Action, "server", c.Name, "by", c.By, "error", cause)
		g.refusedServer(c, cause)
		return nil, err
	}
	e, err := entryOf(g.state.build(), c.Name)
	if c.Action == admin.RemoveServer || c.Action == admin.RevokeServer && errors.Is(err, admin.ErrNoServer) {
		return nil, nil //nolint:nilnil // it is none any more
	}
	return e, err
}

// locking is how long a change waits for one that another gateway makes which shares the state.
const locking = 10 * time.Second

// lockedChange makes a change while no other gateway that shares the state makes one. Whoever waits for that holds up nobody else.
func (g *program) lockedChange(ctx context.Context, c admin.ServerChange) error {
	state, err := stateOf(g.state.build())
	if err != nil {
		return err
	}
	waits, cancel := context.WithTimeout(ctx, locking)
	defer cancel()
	unlock, err := discovery.Lock(waits, state)
	if err != nil {
		return source.Diagnostics{source.Pos{File: state}.Diagnose("SP1411", "nothing can be kept: "+err.Error(), "see `discovery.state`")}
	}
	defer unlock()
	g.state.changing.Lock()
	defer g.state.changing.Unlock()
	if g.state.stopping.Load() {
		return errChangeWhileStopping
	}
	if now, err := stateOf(g.state.build()); err != nil || now != state {
		return errors.Join(err, errOtherState)
	}
	defer untidy()() // policies are compiled for other servers
	return g.sayOfServer(ctx, c)
}

// stateOf is the file in which is kept what operators say.
func stateOf(b *build) (string, error) {
	if d := b.base.Discovery; d != nil && d.State != "" {
		return d.State, nil
	}
	return "", errNothingKept
}

// sayOfServer makes what is wanted what serves. It is recorded before it is kept, and kept before it serves.
func (g *program) sayOfServer(ctx context.Context, c admin.ServerChange) error {
	prev := g.state.build()
	kept, cause, err := g.wanted(prev, c)
	if err != nil {
		return err
	}
	found := g.builder.discover(prev.base, prev, prev.listings, kept)
	if err := tookEffect(found, c); err != nil {
		return err
	}
	next, err := g.builder.serving(ctx, prev, found)
	if err != nil {
		return err
	}
	if err = g.audit.Note(g.serverRecord(c, serverEvents[c.Action], cause)); err == nil {
		if err = kept.Write(prev.base.Discovery.State); err != nil {
			err = source.Diagnostics{stateAt(prev.base).Diagnose("SP1411", "nothing can be kept: "+err.Error(), "see `discovery.state`")}
		}
	}
	if err != nil {
		next.snapshot.Release()
		return err
	}
	g.swap(next) //nolint:contextcheck // a trial outlives what begins it
	g.metrics.ServerChanged(c.Action, true)
	g.log.Info("an operator has changed the servers", "change", c.Action, "server", c.Name, "by", c.By, "what", cause)
	return nil
}

// serving is prev with other servers found.
func (b *builder) serving(ctx context.Context, prev *build, found *discovery.Found) (*build, error) {
	conf := found.Into(prev.base)
	shared, err := b.ready(ctx, conf, prev, prev.given, b.pause(prev))
	if err != nil {
		return nil, err
	}
	return b.around(ctx, &build{config: conf, base: prev.base, found: found, listings: prev.listings, follower: prev.follower, given: prev.given}, prev, shared)
}

// hearState takes over what another gateway that shares the state has kept there. A file that can't be read, or is gone, changes nothing before
// the next reload: a volume that is away for a moment takes no server out of service.
func (g *program) hearState() {
	g.state.changing.Lock()
	defer g.state.changing.Unlock()
	prev := g.state.build()
	state, err := stateOf(prev)
	if err != nil || g.state.stopping.Load() {
		return
	}
	kept, err := prev.found.Newer(state)
	if err == nil && kept != nil {
		defer untidy()()
		var next *build
		if next, err = g.builder.serving(g.ctx, prev, g.builder.discover(prev.base, prev, prev.listings, kept)); err == nil {
			g.log.Info("another has changed what operators have said of servers", "file", state)
			g.swap(next)
		}
	}
	failed := ""
	if err != nil {
		failed = err.Error()
	}
	if failed != g.state.unheard && failed != "" {
		g.log.Error("what operators have said of servers can't be taken over: what was read last counts on", "file", state, "error", failed)
	}
	g.state.unheard = failed
}

var serverEvents = map[string]string{
	admin.ApproveServer: audit.ServerApproved, admin.RevokeServer: audit.ServerRevoked, admin.PutServer: audit.ServerPut, admin.RemoveServer: audit.ServerRemoved,
}

func stateAt(c *config.Config) source.Pos { return source.Pos{File: c.Discovery.State} }

var (
	errNothingKept = errors.New("servers can't be changed by command: the config names no `discovery.state`")
	errOtherState  = errors.New("the config has another `discovery.state` by now: try it again")
	errNoAPI       = errors.New("no servers can be put: the config has no `discovery.api`")
)

// wanted is what is to be kept, if what an operator wants can be done, and what it is in a few words.
func (g *program) wanted(prev *build, c admin.ServerChange) (kept *discovery.Kept, cause string, err error) {
	d := prev.base.Discovery
	if kept, err = prev.found.ToChange(d.State); err != nil {
		return nil, "", source.Diagnostics{stateAt(prev.base).Diagnose("SP1411", "what was kept can't be read, and nothing is written over it: "+err.Error(), "see `discovery.state`")}
	}
	e, known := prev.found.Entry(c.Name)
	switch c.Action {
	case admin.ApproveServer:
		if err := approvable(&e, known, c.Digest); err != nil {
			return nil, "", err
		}
		return kept.Approve(&e, c.By, g.now()), e.Digest, nil
	case admin.RevokeServer:
		return revoked(kept, c.Name, known)
	case admin.RemoveServer:
		if !kept.Has(c.Name) && known {
			return nil, "", fmt.Errorf("`%s` was not put by the admin API: it stands in %s", c.Name, e.From)
		}
		if !kept.Has(c.Name) {
			return nil, "", admin.ErrNoServer
		}
		return kept.Remove(c.Name), "", nil
	}
	if d.API == nil {
		return nil, "", errNoAPI
	}
	if known && e.Source != discovery.Admin {
		return nil, "", fmt.Errorf("`%s` stands in %s: put the server under another name", c.Name, e.From)
	}
	p := discovery.Put{Name: c.Name, JSON: c.JSON, Text: string(c.Text), By: c.By, Time: g.now().UTC()}
	if e = p.Read(prev.base); e.Mistakes.HasErrors() {
		return nil, "", e.Mistakes
	}
	return kept.Put(p), e.Digest, nil
}

// revoked is kept without any approval of a name. There need be no server of that name now: it would serve when it comes back.
func revoked(kept *discovery.Kept, name string, known bool) (*discovery.Kept, string, error) {
	all := kept.Approvals(name)
	switch {
	case len(all) > 0:
	case known:
		return nil, "", fmt.Errorf("`%s` has no approval to take back", name)
	default:
		return nil, "", admin.ErrNoServer
	}
	digests := make([]string, len(all))
	for i, a := range all {
		digests[i] = a.Digest
	}
	return kept.Revoke(name), strings.Join(digests, " "), nil
}

// approvable says whether a server can be approved as it was seen.
func approvable(e *discovery.Entry, known bool, seen string) error {
	switch {
	case !known:
		return admin.ErrNoServer
	case e.State == discovery.Refused:
		return e.Mistakes
	case e.Digest != seen:
		return fmt.Errorf("`%s` is another by now: its digest is %s, and not %s", e.Name, e.Digest, source.Brief(seen))
	}
	return nil
}

// tookEffect says whether what is wanted is what would be: files may have changed since they were looked at.
func tookEffect(found *discovery.Found, c admin.ServerChange) error {
	e, known := found.Entry(c.Name)
	switch c.Action {
	case admin.ApproveServer:
		if err := approvable(&e, known, c.Digest); err != nil {
			return err
		}
	case admin.RevokeServer:
		if known && e.State == discovery.Serving {
			return fmt.Errorf("`%s` would serve on: `quarantine: false` has the servers of the directory serve without an approval", e.Name)
		}
	case admin.PutServer:
		if known && e.Source == discovery.Admin && e.State == discovery.Refused {
			return e.Mistakes
		}
		if e.Source != discovery.Admin {
			return found.Mistakes
		}
	}
	return nil
}

// entryOf is what is shown of a server that was found.
func entryOf(b *build, name string) (*admin.Entry, error) {
	e, ok := b.found.Entry(name)
	if !ok {
		return nil, admin.ErrNoServer
	}
	out := &admin.Entry{Name: e.Name, Source: string(e.Source), From: e.From, State: string(e.State), Digest: e.Digest, Definition: e.Shown(), Over: e.Over, Mistakes: e.Mistakes}
	if a := e.Approved; a != nil {
		out.ApprovedBy, out.Approved = a.By, &a.Time
	}
	return out, nil
}
