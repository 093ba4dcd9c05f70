package main

import (
	"errors"
	"path"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport/sdk/go"
)

// policy is what the settings say. It is filled while the plugin boots and not changed by
// calls: each call begins with the memory as it was after booting.
type policy struct {
	roots map[string]string // by tenant
	tools map[string]bool
}

// configure takes the settings. The gateway has checked them with the manifest's schema, so
// only what a schema can't say is looked at here.
func (p *policy) configure(settings sallyport.Value) error {
	p.roots, p.tools = map[string]string{}, map[string]bool{}
	for tenant, v := range settings.Get("roots").Members() {
		root, _ := v.Text()
		if !path.IsAbs(root) || path.Clean(root) != root || root == "/" {
			return &sallyport.SettingsError{
				Path:    "/roots/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(tenant),
				Message: "write an absolute path below /, without . or .. and no / at its end",
			}
		}
		p.roots[tenant] = root
	}
	for v := range settings.Get("tools").Elems() {
		tool, _ := v.Text()
		p.tools[tool] = true
	}
	return nil
}

// onRequest judges a call. Every way out says which of these it is: not ours, refused and why,
// changed, or good.
func (p *policy) onRequest(c *sallyport.Call) sallyport.Verdict {
	if tool, _ := c.Text("mcp.tool.name"); !p.tools[tool] {
		return sallyport.Abstain
	}
	tenant, _ := c.Text("principal.claims.tenant")
	root, ok := p.roots[tenant]
	if !ok {
		return c.Deny("no_tenant", "The caller belongs to no tenant that has files.")
	}
	asked, ok := c.Text("args.path") // not ok: absent, or something that is no text
	if !ok {
		return c.Deny("no_path", "Give the argument path, as a text.")
	}
	full, ok := within(root, asked)
	if !ok {
		return c.Deny("path_outside", "Stay in the directory of your tenant; relative paths begin there.")
	}
	c.Note("tenant", tenant)
	if full == asked {
		return sallyport.Pass
	}
	c.SetText("args.path", full)
	return sallyport.Mutate
}

// within returns the whole path of one that may be relative to a root. It is false for a path
// that leads out, and for one that programs may read in two ways.
func within(root, asked string) (full string, ok bool) {
	if strings.ContainsAny(asked, "\x00\\") {
		return "", false
	}
	full = path.Clean(asked)
	if !path.IsAbs(asked) {
		full = path.Join(root, asked)
	}
	return full, full == root || strings.HasPrefix(full, root+"/")
}

// selfTest runs before the plugin serves. A plugin that fails here is not loaded, and the one
// that served before it stays.
func selfTest() error {
	if _, ok := within("/srv/acme", "../globex/secret"); ok {
		return errors.New("a path that leads out was taken")
	}
	if full, _ := within("/srv/acme", "notes.txt"); full != "/srv/acme/notes.txt" {
		return errors.New("a relative path became " + full)
	}
	return nil
}
