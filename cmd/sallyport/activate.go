package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/enginetest"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/internal/admin"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/fetch"
)

// given is what a config names as its policies: read, and verified if it is an archive.
type given struct {
	set      *bundle.Bundle
	archive  *bundle.Archive     // that set is of; nil: a directory
	manifest *bundle.Manifest    // of the archive
	by       []bundle.TrustedKey // who have signed it
	cases    int                 // that have passed
	instead  error               // why it is the one that was active last, and not the one that the config names
	choice   *bundle.Choice      // by which it decides; nil: it is what the config names
	took     took
	last     func(*bundle.Archive) error // keeps it as the one that was active last; nil: nothing does

	tag       string    // by which its source knows it; "": it has none, or is not what the source has
	confirmed time.Time // when the source said last that there is no other
}

// took is how long it took to get ready: see admin.Took.
type took struct{ read, compile, cases time.Duration }

// said is what the log says of it.
func (g *given) said() []any {
	if g == nil {
		return nil
	}
	return []any{"read", g.took.read, "compile", g.took.compile, "cases", g.took.cases}
}

// givenBy reads the policies that a config names; nil if it names none. It asks nobody: for those that are fetched see builder.read.
func (o origin) givenBy(ctx context.Context, c *config.Config, now func() time.Time) (*given, error) {
	if c.Policies == "" {
		if o.mcpConfig == "" && o.made == nil {
			return nil, nil //nolint:nilnil // no policies: a nil snapshot denies every call
		}
		set, err := observing()
		return &given{set: set}, err
	}
	if c.Bundle.Trust != "" && !signable(c.Policies) {
		return nil, source.Diagnostics{c.At("policies").Diagnose("SP8109", fmt.Sprintf("the config says whose signatures are trusted, and nobody can have signed `%s`", c.Policies),
			"name a bundle, FILE.tar.gz; or remove `trust` from `bundle`")}
	}
	from, err := fetch.New(c.Policies, fetch.Options{Pause: o.pause})
	if err != nil {
		return nil, unread(err)
	}
	content, err := from.Fetch(ctx, "", 0)
	if err != nil {
		return nil, unread(err)
	}
	if content.Set != nil {
		return &given{set: content.Set}, nil
	}
	return o.trusted(c, c.Policies, content.Packed, now())
}

// signable says whether policies that stand there can be signed.
func signable(policies string) bool { return fetch.Remote(policies) || bundle.IsArchive(policies) }

// unread tells mistakes inside a file, which are a source.Diagnostics, from a path that can't be read.
func unread(err error) error {
	if _, ok := errors.AsType[source.Diagnostics](err); ok {
		return err
	}
	return failf(exitInvalid, "policies: %w", err)
}

// trusted takes an archive if it is signed by those whom the config trusts, meant for this gateway, and no step back. What an operator has
// chosen stands in for one that isn't newer than all that were active.
func (o origin) trusted(c *config.Config, name string, data []byte, now time.Time) (*given, error) {
	r, err := o.reception(c, now, policiesAt(c), fetch.Shown(c.Policies))
	if err != nil {
		return nil, err
	}
	g, err := r.read(name, data)
	if err != nil {
		return nil, err
	}
	if m := g.manifest; r.choice != nil && m.Name == r.terms.Last.Manifest.Name && m.Version <= r.terms.Last.Manifest.Version {
		return r.chosen(r.choice)
	}
	return r.admit(g)
}

// reception is what a bundle meets: whom the config trusts, what was active before, and what an operator has chosen.
type reception struct {
	trust  *bundle.Trust // nil: anybody
	terms  bundle.Terms
	store  bundle.Store // the zero Store if the config names none: then nothing is kept
	choice *bundle.Choice
	pause  func() // as of origin
}

// reception is for a bundle of a name, which stands at a place.
func (o origin) reception(c *config.Config, now time.Time, at source.Pos, name string) (*reception, error) {
	if c.Bundle.Trust == "" && !c.Bundle.Unsigned {
		return nil, source.Diagnostics{at.Diagnose("SP8108", fmt.Sprintf("`%s` is a bundle, and the config doesn't say whose signatures are trusted", name),
			"add `bundle: { trust: FILE, state: DIR }`, or `bundle: { unsigned: true }` to take anybody's")}
	}
	v, _ := buildVersion()
	r := &reception{pause: o.pause, terms: bundle.Terms{Now: now, Sallyport: v, Audience: c.Bundle.Audience}}
	var err error
	if c.Bundle.Trust != "" {
		if r.trust, err = bundle.ReadTrust(c.Bundle.Trust); err != nil {
			return nil, unread(err)
		}
		r.terms.Bundle = r.trust.Bundle
	}
	if c.Bundle.State == "" {
		return r, nil
	}
	r.store = bundle.StoreIn(c.Bundle.State)
	if r.terms.Last, err = r.store.Last(); err == nil {
		r.choice, err = r.store.Choice(r.terms.Last)
	}
	if err != nil {
		return nil, unread(err)
	}
	return r, nil
}

// read reads an archive that is signed by those whom the config trusts.
func (r *reception) read(name string, data []byte) (g *given, err error) {
	g = new(given)
	if r.trust == nil {
		g.archive, err = bundle.ParseArchive(name, data)
	} else {
		g.archive, g.by, err = r.trust.ParseArchive(name, data, r.terms.Now)
	}
	if err != nil {
		return nil, unread(err)
	}
	g.manifest = g.archive.Manifest
	return g, nil
}

// admit takes an archive that was read, if it is meant for this gateway.
func (r *reception) admit(g *given) (*given, error) {
	if err := g.archive.Admit(r.terms); err != nil {
		return nil, err
	}
	var err error
	if g.set, err = g.archive.BundlePaced(r.pause); err != nil {
		return nil, unread(err)
	}
	if r.store != (bundle.Store{}) {
		g.last = keep(r.store, r.terms.Last)
	}
	return g, nil
}

// chosen verifies the bundle that a choice names, as any other: but it may be older than what was active, and is not kept as that.
func (r *reception) chosen(by *bundle.Choice) (*given, error) {
	a, err := r.store.Chosen(by, r.terms.Last)
	if err != nil {
		return nil, unread(err)
	}
	older := *r
	older.terms.Last, older.store = nil, bundle.Store{}
	g, err := older.read(a.File, a.Data())
	if err != nil {
		return nil, err
	}
	g.choice = by
	return older.admit(g)
}

// keep writes nothing if nothing has changed.
func keep(store bundle.Store, last *bundle.Archive) func(*bundle.Archive) error {
	return func(a *bundle.Archive) error {
		if last != nil && slices.Equal(last.Data(), a.Data()) {
			return nil
		}
		return store.Keep(a)
	}
}

// activate reads the policies and makes them ready to decide: verified, compiled, tested and kept. At the start, what was active last
// stands in for a bundle that can't be used: it is verified again, and its signatures, its end and its cases count as they do now.
func (b *builder) activate(ctx context.Context, c *config.Config, prev *build, f *fetch.Follower) (*sharedPolicy, *given, error) {
	pause, start := b.pause(prev), b.now()
	g, err := b.read(ctx, c, prev, f, pause)
	if err == nil {
		if g != nil {
			g.took.read = b.now().Sub(start)
		}
		var shared *sharedPolicy
		if shared, err = b.ready(ctx, c, prev, g, pause); err == nil {
			return shared, g, nil
		}
	}
	if prev != nil && !prev.awaits(f) || !signable(c.Policies) || c.Bundle.State == "" {
		return nil, nil, err
	}
	last, again := b.lastGood(c)
	if again != nil {
		return nil, nil, err
	}
	if last.confirmed, again = bundle.StoreIn(c.Bundle.State).Confirmed(); again != nil {
		return nil, nil, err
	}
	shared, again := b.ready(ctx, c, prev, last, pause)
	if again != nil {
		return nil, nil, err
	}
	last.instead = err
	return shared, last, nil
}

// lastGood is the bundle that was active last, or that an operator has chosen since.
func (b *builder) lastGood(c *config.Config) (*given, error) {
	r, err := b.origin.reception(c, b.now(), policiesAt(c), fetch.Shown(c.Policies))
	if err != nil {
		return nil, err
	}
	if r.choice != nil {
		return r.chosen(r.choice)
	}
	data, err := bundle.ReadPacked(r.store.File())
	if err != nil {
		return nil, err
	}
	g, err := r.read(r.store.File(), data)
	if err != nil {
		return nil, err
	}
	return r.admit(g)
}

// ready compiles what was read and runs its cases, unless it decides already.
func (b *builder) ready(ctx context.Context, c *config.Config, prev *build, g *given, pause func()) (*sharedPolicy, error) {
	if g == nil {
		return &sharedPolicy{}, nil
	}
	start := b.now()
	shared, err := b.compile(ctx, c, prev, g.set, pause)
	compiled := b.now()
	if prev == nil || prev.given != g { // what decides already others look at
		g.took.compile = compiled.Sub(start)
	}
	if err != nil || g.archive == nil {
		return shared, err
	}
	if prev != nil && prev.shared == shared && prev.given != nil {
		g.cases = prev.given.cases
	} else if g.cases, err = prove(ctx, g.set, proving, beside(shared.Snapshot, g.set, c, pause)); err != nil {
		shared.Close() //nolint:contextcheck // closing is not to be cancelled
		return nil, err
	}
	g.took.cases = b.now().Sub(compiled)
	if g.last != nil && !b.dry {
		err = g.last(g.archive)
	}
	g.archive, g.last = nil, nil // its files are in set
	if err != nil && (prev == nil || prev.shared != shared) {
		shared.Close() //nolint:contextcheck // closing is not to be cancelled
	}
	return shared, err
}

// beside says how the cases of policies that were compiled are run: nothing of them is compiled again. A directory of compiled code that can't
// be used any more costs time, and keeps no policies from deciding.
func beside(s *engine.Snapshot, set *bundle.Bundle, c *config.Config, pause func()) enginetest.Options {
	o := enginetest.Options{Previous: s, Pause: pause}
	if dir := c.Plugins.Cache; len(set.Modules) > 0 && dir != "" && wasm.CheckCache(dir) == nil {
		o.CacheDir = dir
	}
	return o
}

// called is what a bundle is called in logs and records.
func (g *given) called() string {
	if g == nil || g.manifest == nil {
		return ""
	}
	return fmt.Sprintf("%s %d", g.manifest.Name, g.manifest.Version)
}

// why says which of the mistakes to name first. That a bundle is refused is told in full; the many of a file are counted.
func why(ds source.Diagnostics) string {
	if i := slices.IndexFunc(ds, func(d source.Diagnostic) bool { return strings.HasPrefix(d.Code, "SP8") }); i >= 0 {
		return ds[i].String()
	}
	return "the config or a policy has mistakes"
}

// bundles is what the admin API shows of the policies that decide.
func (g *program) bundles() []admin.Bundle {
	b := g.state.build()
	g.state.mu.Lock()
	out := admin.Bundle{Source: fetch.Shown(b.config.Policies), Revision: b.policy.Revision(), Active: b.at.UTC(), Last: g.state.reload}
	g.state.mu.Unlock()
	if b.given != nil {
		t := b.given.took
		out.Took = &admin.Took{ReadMS: t.read.Milliseconds(), CompileMS: t.compile.Milliseconds(), CasesMS: t.cases.Milliseconds()}
	}
	if b.given != nil && b.given.manifest != nil {
		m := b.given.manifest
		out.Name, out.Version, out.Audience, out.Expires, out.Expired = m.Name, m.Version, m.Audience, m.Expires, m.Expired(g.now())
		if by := b.given.choice; by != nil {
			out.Chosen = &admin.Chosen{By: by.By, Time: by.Time}
		}
		out.SignedBy, out.Cases, out.LastGood = namesOf(b.given.by), b.given.cases, b.given.instead != nil
	}
	if age, ok := g.age(); ok {
		out.AgeSeconds, out.Stale = new(int64(age.Seconds())), g.stale()
		if err := b.follower.State().Err; err != nil {
			out.SourceError = err.Error()
		}
	}
	if out.Text = out.Last.Error; len(out.Last.Diagnostics) > 0 {
		out.Text = asPrinted(out.Last.Diagnostics)
	}
	return []admin.Bundle{out}
}

// asPrinted is what a command prints of mistakes.
func asPrinted(ds source.Diagnostics) string {
	var text strings.Builder
	_ = ds.WriteText(&text, readText, false, maxDiagnostics) // a strings.Builder takes everything
	return text.String()
}
