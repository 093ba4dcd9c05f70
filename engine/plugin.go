package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// plugin is a plugin as one or more rules have configured it. Snapshots that need the same share it.
type plugin struct {
	key   string       // of what it was loaded from
	host  *wasm.Host   // that runs it
	guest *wasm.Plugin // nil: the bundle lacks it, and no snapshot holds it
	info  wasm.Info
	users atomic.Int64
}

// acquire counts another user, unless the last has left.
func (p *plugin) acquire() bool {
	for {
		n := p.users.Load()
		if n == 0 {
			return false
		}
		if p.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release closes the plugin behind its last user.
func (p *plugin) release() {
	if p.users.Add(-1) == 0 {
		p.guest.Close()
	}
}

// hooks says which hooks the plugin has.
func (p *plugin) has(h hostapi.Hook) bool { return slices.Contains(p.info.Manifest.Hooks, h) }

// Close lets go of what the snapshot holds: its cache, and its plugins unless another snapshot has them too. Nothing may be decided after it. A nil
// Snapshot holds nothing.
func (s *Snapshot) Close() {
	if s == nil || s.closed.Swap(true) {
		return
	}
	s.memory.close()
	for _, p := range s.plugins {
		p.release()
	}
}

// Plugins lists the plugins of the snapshot with their counts.
func (s *Snapshot) Plugins() []PluginStatus {
	if s == nil {
		return nil
	}
	var out []PluginStatus
	for _, p := range s.plugins {
		out = append(out, PluginStatus{Info: p.guest.Info(), Stats: p.guest.Stats()})
	}
	return out
}

// Ejected says whether a plugin has failed so often that it is not asked any more: its calls deny.
func (s *Snapshot) Ejected() bool {
	return s != nil && slices.ContainsFunc(s.plugins, func(p *plugin) bool { return p.guest.Info().Ejected != "" })
}

// PluginStatus says what a plugin is and how it fares.
type PluginStatus struct {
	Info  wasm.Info
	Stats wasm.Stats
}

// wanted is a rule that calls a plugin.
type wanted struct {
	source  *policy.Rule
	rule    *rule
	granted []hostapi.Capability
}

// module is a plugin's file.
type module struct {
	content []byte
	info    *wasm.Info
}

// digest is of a plugin's file.
type digest [sha256.Size]byte

// load gives every rule that calls a plugin its plugin.
func (c *compiler) load(ctx context.Context, b *bundle.Bundle) error {
	c.give(b)
	if len(c.wanted) == 0 {
		return nil
	}
	modules := c.read(b)
	var ready []wanted
	for _, w := range c.wanted {
		if modules[w.source.Plugin] == nil && c.options.Lacking.has(w) {
			w.rule.plugin = &plugin{info: wasm.Info{Manifest: &hostapi.Manifest{Name: w.source.Plugin}}}
			continue
		}
		w.granted = c.granted(w.source)
		if c.find(w, modules) {
			ready = append(ready, w)
		}
	}
	if c.found.HasErrors() { // booting plugins takes time, and what is wrong with the files is known by now
		return nil
	}
	for _, w := range ready {
		c.options.pause()
		if err := c.boot(ctx, w, modules[w.source.Plugin]); err != nil {
			return err
		}
	}
	return nil
}

// read reads the manifests of the modules, by name.
func (c *compiler) read(b *bundle.Bundle) map[string]*module {
	all := make(map[string]*module)
	for _, f := range b.Modules {
		at := source.Pos{File: f.Path, Line: 1, Column: 1, Width: 1}
		c.options.pause()
		m, err := c.inspect(f.Content)
		if err != nil {
			c.refuse(err, func(wasm.LoadCode) source.Pos { return at })
			continue
		}
		name := m.info.Manifest.Name
		if all[name] != nil {
			c.found = append(c.found, at.Diagnose("SP4002", fmt.Sprintf("there are two plugins called `%s`", name), "remove one of the two files"))
			continue
		}
		all[name] = m
	}
	return all
}

// inspect reads a module, unless the snapshot before has read the same.
func (c *compiler) inspect(content []byte) (*module, error) {
	key := digest(sha256.Sum256(content))
	var info *wasm.Info
	if c.options.Previous != nil {
		info = c.options.Previous.modules[key]
	}
	if info == nil {
		var err error
		if info, err = wasm.Inspect(content); err != nil {
			return nil, err
		}
	}
	if c.modules == nil {
		c.modules = make(map[digest]*wasm.Info)
	}
	c.modules[key] = info
	return &module{content, info}, nil
}

// find says whether there is the module of a rule, and whether it can be called in the rule's phase.
func (c *compiler) find(w wanted, modules map[string]*module) bool {
	name, at := w.source.Plugin, w.source.At("plugin")
	m := modules[name]
	switch {
	case m == nil:
		help := "put its .wasm file into the directory of the policies"
		if s, ok := source.Suggest(name, slices.Sorted(maps.Keys(modules))); ok {
			help = fmt.Sprintf("did you mean `%s`?", s)
		}
		c.found = append(c.found, at.Diagnose("SP4001", fmt.Sprintf("no plugin is called `%s`", source.Brief(name)), help))
		return false
	case c.options.Plugins == nil:
		c.found = append(c.found, at.Diagnose("SP4002", "plugins are not run here", "remove the rule, or use a gateway that runs plugins"))
		return false
	}
	hooks := m.info.Manifest.Hooks
	if w.source.Phase == policy.Request && !slices.Contains(hooks, hostapi.HookRequest) ||
		w.source.Phase == policy.Response && !slices.Contains(hooks, hostapi.HookResponse) && !slices.Contains(hooks, hostapi.HookList) {
		c.found = append(c.found, at.Diagnose("SP4003", fmt.Sprintf("`%s` can't be called in the %s phase", name, w.source.Phase),
			fmt.Sprintf("its hooks are: %s", list(hooks))))
		return false
	}
	return true
}

func list(hooks []hostapi.Hook) string {
	names := make([]string, len(hooks))
	for i, h := range hooks {
		names[i] = h.String()
	}
	return strings.Join(names, ", ")
}

// boot loads the plugin of a rule, or takes one that is loaded already from the same module, settings and grant, and is run by the same host.
func (c *compiler) boot(ctx context.Context, w wanted, m *module) error {
	tables := c.given.lookup
	config := wasm.Config{
		Settings: w.source.Config, CheckSettings: source.CheckJSON, Matchers: c.given.matchers(w.granted),
		Tables: func() wasm.Tables { return tables }, Pause: c.options.Pause,
	}
	config.Grant.Capabilities = w.granted
	key := keyOf(m, w.source, c.given.digests(w.granted))
	w.rule.setup = c.given.setup(key, w.granted)
	if p := c.loaded(key); p != nil {
		w.rule.plugin = p
		return nil
	}
	guest, err := c.options.Plugins.Load(ctx, m.content, config)
	if err != nil {
		c.logRefused(w.source.Plugin, err)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.refuse(err, func(code wasm.LoadCode) source.Pos {
			switch code {
			case wasm.LoadSettings:
				return w.source.At("config")
			case wasm.LoadGrant:
				return w.source.At("grant")
			default:
				return w.source.At("plugin")
			}
		})
		return nil
	}
	tables = nil // every call brings those of its snapshot
	p := &plugin{key: key, host: c.options.Plugins, guest: guest, info: guest.Info()}
	c.log(w.source.Plugin, p.info.BootLogs)
	p.users.Store(1)
	c.plugins = append(c.plugins, p)
	w.rule.plugin = p
	return nil
}

// loaded finds a plugin that another rule, or the snapshot before, has loaded from the same.
func (c *compiler) loaded(key string) *plugin {
	for _, p := range c.plugins {
		if p.key == key {
			return p
		}
	}
	if c.options.Previous == nil {
		return nil
	}
	for _, p := range c.options.Previous.plugins {
		if p.key == key && p.host == c.options.Plugins && p.guest.Info().Ejected == "" && p.acquire() {
			c.plugins = append(c.plugins, p)
			return p
		}
	}
	return nil
}

// keyOf digests all that a plugin is loaded from, each part behind its length.
func keyOf(m *module, r *policy.Rule, sets []string) string {
	h := sha256.New()
	part := func(b []byte) {
		h.Write(strconv.AppendInt(nil, int64(len(b)), 10))
		h.Write([]byte{':'})
		h.Write(b)
	}
	part(m.content)
	part(r.Config)
	for _, g := range slices.Sorted(slices.Values(r.Grant)) {
		part([]byte(g))
	}
	for _, digest := range sets {
		part([]byte(digest))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// log passes on what a plugin has logged while it was booted.
func (c *compiler) log(plugin string, lines []wasm.Line) {
	if c.options.PluginLog != nil && len(lines) > 0 {
		c.options.PluginLog(plugin, lines, 0)
	}
}

// logRefused does so of one that could not be booted.
func (c *compiler) logRefused(plugin string, err error) {
	several, _ := errors.AsType[wasm.LoadErrors](err)
	for _, e := range several {
		c.log(plugin, e.Logs)
	}
}

// refuse reports why a module can't be used.
func (c *compiler) refuse(err error, at func(wasm.LoadCode) source.Pos) {
	several, ok := errors.AsType[wasm.LoadErrors](err)
	if !ok {
		c.found = append(c.found, at("").Diagnose("SP4002", err.Error(), ""))
		return
	}
	for _, e := range several {
		text := e.Message
		if c.options.Mask != nil {
			text = c.options.Mask("", text) // the plugin may have said it
		}
		c.found = append(c.found, at(e.Code).Diagnose("SP4002", text, e.Help))
	}
}

// drop lets go of what was loaded for a snapshot that does not come to be.
func (c *compiler) drop() {
	for _, p := range c.plugins {
		p.release()
	}
}
