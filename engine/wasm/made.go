package wasm

import (
	"context"
	"crypto/sha256"
	"slices"

	"github.com/tetratelabs/wazero"
)

// made is what plugins of one module have in common, whatever they are set to and granted: what was read of it, and what was made of it. A plugin
// that is loaded with other settings, beside the one that it replaces, is not rewritten and compiled again. Who uses it last closes it. But for
// users it doesn't change any more when it is shared.
type made struct {
	*verified
	*rewritten
	key      madeKey
	about    Info // as far as it is the same for all of them
	compiled wazero.CompiledModule
	users    int // guarded by Host.mu
}

// madeKey is all that code depends on, beside the host.
type madeKey struct {
	module [sha256.Size]byte // the digest of its bytes
	pages  int               // that it may have
}

// read returns the code that other plugins of the module have, or what can be read of a module without making anything of it. Release it.
func (h *Host) read(module []byte, c *Config) (*made, error) {
	sum := sha256.Sum256(module)
	if x := h.shared(sum, c); x != nil {
		return x, nil
	}
	v, err := verify(slices.Clone(module))
	if err != nil {
		return nil, err
	}
	return &made{verified: v, key: madeKey{sum, h.pages(v, c)}, users: 1}, nil
}

func (h *Host) shared(sum [sha256.Size]byte, c *Config) *made {
	h.mu.Lock()
	defer h.mu.Unlock()
	for key, x := range h.codes {
		if key.module == sum && key.pages == h.pages(x.verified, c) {
			x.users++
			return x
		}
	}
	return nil
}

// pages are those that a plugin may have.
func (h *Host) pages(v *verified, c *Config) int {
	l, _ := h.limits(v.manifest, *c)
	return min(l.Pages, v.most) // its own bound is no lowering
}

// make rewrites and compiles what was only read, and lets other plugins have it. What is shared is made.
func (h *Host) make(ctx context.Context, x *made) error {
	if x.compiled != nil {
		return nil
	}
	compiled, err := h.compile(ctx, x.lifted.Code)
	if err != nil {
		return err
	}
	x.compiled = compiled
	x.strip()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.codes[x.key] == nil { // else another was loaded meanwhile
		h.codes[x.key] = x
	}
	return nil
}

// strip lets go of what nobody needs who has what was compiled: most of the bytes, three times over.
func (x *made) strip() {
	x.bytes, x.module, x.data = nil, nil, slices.Clone(x.data)
	x.lifted.Code, x.result.Code = nil, nil
	for i := range x.lifted.Data { // they are parts of the module
		d := &x.lifted.Data[i]
		d.Bytes = slices.Clone(d.Bytes)
	}
}

func (h *Host) release(ctx context.Context, x *made) {
	h.mu.Lock()
	x.users--
	last := x.users == 0
	if last && h.codes[x.key] == x {
		delete(h.codes, x.key)
	}
	h.mu.Unlock()
	if last && x.compiled != nil {
		_ = x.compiled.Close(ctx)
	}
}
