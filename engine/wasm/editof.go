package wasm

import (
	"fmt"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// EditOf is the edit that a plugin makes of a message in a hook when it patches the place of a path, without a plugin. json is the new
// value, and is not kept.
func EditOf(m *Message, hook hostapi.Hook, op hostapi.Patch, path string, json []byte) (Edit, error) {
	p, err := hostapi.ParsePath(path)
	if err != nil {
		return Edit{}, err
	}
	name := p.Name()
	if p.Wild() || !m.part(&name, hook) {
		return Edit{}, fmt.Errorf("%s can't be changed in the hook %v", path, hook)
	}
	out := Edit{Item: -1, Path: []byte(path)}
	if op != hostapi.PatchRemove {
		var d jsonscan.Doc
		if err := d.Scan(json, jsonscan.Options{Fold: hook == hostapi.HookRequest}); err != nil {
			return Edit{}, fmt.Errorf("%s: the value: %w", path, err)
		}
		out.JSON = d.Root().AppendTo(nil)
	}
	var x edit
	if code := x.locate(m, p, op); code != hostapi.CodeOk {
		return Edit{}, fmt.Errorf("%s: %v", path, code)
	}
	out.Kind, out.Value, out.Name = x.kind, x.value, x.name
	return out, nil
}
