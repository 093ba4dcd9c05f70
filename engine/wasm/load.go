package wasm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm/binary"
	"github.com/sallyport-dev/sallyport/engine/wasm/cow"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// Config is what the operator says of a plugin. The zero Config loads it with the default
// grant, its own limits and no settings.
type Config struct {
	// Settings are a JSON object; nil is {}. They must fit the manifest's schema, which
	// CheckSettings checks.
	Settings json.RawMessage
	// CheckSettings checks settings against a JSON Schema (2020-12). Without it a plugin
	// that has a schema can't be loaded.
	CheckSettings func(schema, settings []byte) error
	Grant         Grant
	// Matchers are the sets of detectors, by name. Those of granted capabilities must be
	// there.
	Matchers map[string]Matcher
	// Tables returns the tables as they are now: once at load, where those of granted
	// capabilities must be there, and once in each call that looks something up. nil has
	// none.
	Tables func() Tables
	// Deadline, Fuel and Pages lower what the manifest asks for; 0 leaves it.
	Deadline time.Duration
	Fuel     int64
	Pages    int
	// MaxInstances is the most instances; 0 is the host's.
	MaxInstances int
	// Pause is called between two pieces of the work, which calls are not to wait for; nil is not.
	Pause func()
}

func (c *Config) pause() {
	if c.Pause != nil {
		c.Pause()
	}
}

// Info says what a plugin is.
type Info struct {
	Manifest *hostapi.Manifest // not to be changed
	// Digests, as "sha256:...": of the module, of it as it was rewritten, of the settings,
	// and of the state in which every call begins. The last two are of loaded plugins only.
	Module, Code, Settings, Image string
	// Sizes in bytes.
	ModuleBytes, CodeBytes, ImageBytes int
	Imports                            []string // such as sallyport_v1.field
	CostModel                          int      // the version of the units of fuel
	Limits                             hostapi.Limits
	Grant                              Grant
	// Ungranted are the capabilities that are asked for and not granted.
	Ungranted []hostapi.Capability
	// Lowered says which limits are lower than what is asked for.
	Lowered []string
	// Boot is what booting took, with its pauses, BootLogs what the guest logged meanwhile.
	Boot     time.Duration
	BootFuel int64
	BootLogs []Line
	Reset    string // how instances are reset: notes, copy, find or drop
	Ejected  string // why the plugin is ejected; empty while it serves
}

// Inspect says what a module is, and everything that is wrong with it that can be found
// without running it. Its error is LoadErrors.
func Inspect(module []byte) (*Info, error) {
	v, err := verify(module)
	if err != nil {
		return nil, err
	}
	limits := v.manifest.Asked()
	limits.Pages = min(limits.Pages, v.most)
	code, err := v.rewrite(limits.Pages)
	if err != nil {
		return nil, err
	}
	return v.info(code, limits), nil
}

func (v *verified) info(c *rewritten, limits hostapi.Limits) *Info {
	return &Info{
		Manifest: v.manifest, Module: digest(v.bytes), Code: digest(c.lifted.Code),
		ModuleBytes: len(v.bytes), CodeBytes: len(c.lifted.Code), Imports: v.imports,
		CostModel: c.result.Cost, Limits: limits,
	}
}

func digest(b ...[]byte) string {
	h := sha256.New()
	for _, part := range b {
		h.Write(part)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// rewritten is a module that is metered and bounded.
type rewritten struct {
	result    *binary.Result
	lifted    *binary.Lifted
	blockSize uint32 // bytes of a block whose writes are noted; 0: none are
}

// rewrite bounds what the module can do. Pages are those that the plugin may have.
func (v *verified) rewrite(pages int) (*rewritten, error) {
	if v.pages > uint32(pages) {
		return nil, refused(LoadLimit, fmt.Sprintf("ask for %d pages or more in limits.pages, and grant them, or link the module with less memory", v.pages),
			"the module begins with %d pages of memory, and may have %d", v.pages, pages)
	}
	// One page more than there may be, whatever maximum the module has: a memory that is as
	// large as it can be could not be made smaller again (cow.Memory.Shrink). What it may grow
	// to is for the mapping to bound (cow.Options.Limit).
	r, err := v.module.Instrument(binary.Options{MaxPages: uint32(pages) + 1, FullMemory: true, Block: v.block()})
	if err != nil {
		return nil, LoadErrors{{Code: LoadModule, Message: "the module can't be bounded: " + err.Error(), Err: err}}
	}
	if r.Changes != 0 {
		return nil, refused(LoadModule, "build without reference types that are changed, and without passive segments that are dropped",
			"the module changes its %v, which can't be undone after a call", r.Changes)
	}
	l, err := binary.Lift(r.Code)
	if err != nil {
		return nil, LoadErrors{{Code: LoadModule, Message: "the module can't be bounded: " + err.Error(), Err: err}}
	}
	return &rewritten{r, l, v.block()}, nil
}

// notedPages is the most memory that a module may begin with to have its writes noted. What begins with more writes more, too, and to ask the
// system what was written takes less then than the notes would.
const notedPages = 8

// block returns the size of the blocks of memory of which a module notes whether it writes there: 64 of them are what it begins with. 0 is for
// modules whose memory is reset in another way: the large ones, and those of OPA's, whose every value is written to memory.
func (v *verified) block() uint32 {
	if v.pages > notedPages {
		return 0
	}
	return cow.PageSize / cow.Blocks << bits.Len32(v.pages-1)
}

// Load makes a plugin of a module. Its error is LoadErrors, unless ctx has ended.
func (h *Host) Load(ctx context.Context, module []byte, c Config) (*Plugin, error) {
	x, err := h.read(module, &c)
	if err != nil {
		return nil, err
	}
	c.pause()
	p := &program{host: h, manifest: x.manifest, config: c, code: x, random: x.key.module}
	info, err := p.load(ctx)
	if err != nil {
		p.close(ctx)
		return nil, err
	}
	p.config.Pause = nil // what waits for it ends with the load
	return h.serve(ctx, p, info)
}

func (p *program) load(ctx context.Context) (*Info, error) {
	info, err := p.prepare(ctx, p.config)
	if err != nil {
		return nil, err
	}
	p.config.pause()
	if err := p.host.make(ctx, p.code); err != nil {
		return nil, err
	}
	p.config.pause()
	if err := p.boot(ctx, info); err != nil {
		return nil, err
	}
	return info, nil
}

// prepare settles everything that can be before the module is compiled.
func (p *program) prepare(ctx context.Context, c Config) (*Info, error) {
	var es LoadErrors
	x := p.code
	p.grant = c.Grant.settle(p.manifest, &es)
	var lowered []string
	p.limits, lowered = p.host.limits(p.manifest, c)
	p.limits.Pages = x.key.pages
	p.findCapabilities(&es)
	p.settings = settle(p.manifest, c, &es)
	p.planRego(x.verified, &es)
	if err := es.err(); err != nil {
		return nil, err
	}
	if x.rewritten == nil {
		c.pause()
		code, err := x.rewrite(x.key.pages)
		if err != nil {
			return nil, err
		}
		x.rewritten, x.about = code, *x.info(code, p.limits)
	}
	p.plan()
	info := x.about
	info.Limits, info.Grant, info.Lowered, info.Settings = p.limits, p.grant, lowered, digest(p.settings)
	for _, c := range p.capabilities {
		if !c.granted {
			info.Ungranted = append(info.Ungranted, c.is)
		}
	}
	if err := p.host.stubs(ctx, p, x.unknown); err != nil {
		return nil, err
	}
	return &info, nil
}

// limits are what the manifest asks for, or less.
func (h *Host) limits(m *hostapi.Manifest, c Config) (l hostapi.Limits, lowered []string) {
	asked := m.Asked()
	l = asked
	l.Pages = min(l.Pages, h.options.MaxPages)
	lower(&l.Pages, c.Pages)
	lower(&l.Fuel, c.Fuel)
	lower(&l.Deadline, c.Deadline)
	say := func(what string, got, want any) {
		lowered = append(lowered, fmt.Sprintf("%s: %v, where the plugin asks for %v", what, got, want))
	}
	if l.Pages < asked.Pages {
		say("pages", l.Pages, asked.Pages)
	}
	if l.Fuel < asked.Fuel {
		say("fuel", l.Fuel, asked.Fuel)
	}
	if l.Deadline < asked.Deadline {
		say("deadline", l.Deadline, asked.Deadline)
	}
	return l, lowered
}

func lower[T int | int64 | time.Duration](v *T, to T) {
	if to > 0 {
		*v = min(*v, to)
	}
}

// settle checks the settings, and returns them as the guest gets them.
func settle(m *hostapi.Manifest, c Config, es *LoadErrors) []byte {
	text := []byte(c.Settings)
	if len(text) == 0 {
		text = []byte("{}")
	}
	if len(text) > hostapi.LimitSettingsBytes {
		es.add(LoadSettings, fmt.Sprintf("at most %d bytes", hostapi.LimitSettingsBytes), "the settings have %d bytes", len(text))
		return nil
	}
	var d jsonscan.Doc
	if err := d.Scan(text, jsonscan.Options{}); err != nil {
		es.add(LoadSettings, "give one JSON object", "the settings can't be read: %v", err)
		return nil
	}
	v := d.Root()
	switch {
	case v.Kind() != jsonscan.Object:
		es.add(LoadSettings, "give a JSON object", "the settings are of the type %v", v.Kind())
	case m.SettingsSchema == nil && v.Len() > 0:
		es.add(LoadSettings, "remove them", "the plugin takes no settings")
	case m.SettingsSchema != nil && c.CheckSettings == nil:
		es.add(LoadSettings, "", "the settings can't be checked: this host has nothing that does")
	case m.SettingsSchema != nil:
		if err := c.CheckSettings(m.SettingsSchema, text); err != nil {
			*es = append(*es, &LoadError{Code: LoadSettings, Message: "the settings don't fit the plugin's schema: " + err.Error(), Err: err})
		}
	}
	return v.AppendTo(nil)
}

// findCapabilities finds what stands behind the capabilities.
func (p *program) findCapabilities(es *LoadErrors) {
	var tables Tables
	if p.config.Tables != nil {
		tables = p.config.Tables()
	}
	for _, is := range p.manifest.Capabilities {
		c := capability{is: is, granted: slices.Contains(p.grant.Capabilities, is)}
		var there bool
		if is.Kind == hostapi.CapabilityKindMatch {
			c.matcher, there = p.config.Matchers[is.Name]
			there = there && c.matcher.Find != nil
		} else {
			there = tables[is.Name] != nil
		}
		if c.granted && !there {
			es.add(LoadGrant, "there are "+orNone(p.haves(is.Kind, tables)), "%v is granted, and this host has none of that name", is)
		}
		p.capabilities = append(p.capabilities, c)
	}
}

// haves lists the names of capabilities of a kind that there are.
func (p *program) haves(kind hostapi.CapabilityKind, tables Tables) []string {
	var out []string
	if kind == hostapi.CapabilityKindMatch {
		for name := range p.config.Matchers {
			out = append(out, name)
		}
	} else {
		for name := range tables {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// serve makes a plugin of a program that has booted.
func (h *Host) serve(ctx context.Context, p *program, info *Info) (*Plugin, error) {
	most := p.config.MaxInstances
	if most <= 0 {
		most = h.options.MaxInstances
	}
	plugin := &Plugin{program: p, info: *info, pool: newPool(most, p.fresh)}
	plugin.breaker.limit, plugin.breaker.window = h.options.EjectFailures, h.options.EjectWindow
	in, _, err := plugin.pool.get(ctx, 0) // the first instance need not be waited for
	if err != nil {
		p.close(ctx)
		return nil, LoadErrors{{Code: LoadHost, Message: "no instance: " + err.Error(), Err: err}}
	}
	plugin.pool.put(in)
	if !h.adopt(plugin) {
		plugin.Close() //nolint:contextcheck // frees, whatever became of ctx
		return nil, LoadErrors{{Code: LoadHost, Message: "the host is closed"}}
	}
	return plugin, nil
}
