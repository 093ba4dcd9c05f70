package sallyport

import (
	"errors"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/arena"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/host"
)

var hookNames = [...]string{abi.HookRequest: "request", abi.HookResponse: "response", abi.HookList: "list"}

// names is what the guest needs of its manifest: what ids stand for.
type names struct {
	hooks        [len(hookNames)]bool
	reads        [len(hookNames)][]string
	capabilities []string
}

// readNames reads a manifest. The host and the tool that puts the manifest into the module
// check all of it; here it must only be such that ids are right.
func readNames(manifest string) (*names, error) {
	v, err := ParseJSON(manifest)
	if err != nil {
		return nil, errors.New("sallyport: the manifest is " + err.Error())
	}
	if got, _ := v.Get("abi").Text(); got != abi.ABI {
		return nil, errors.New("sallyport: the manifest's abi is " + Quote(got) + ", and this SDK is for " + Quote(abi.ABI))
	}
	n := &names{}
	for i, hook := range hookNames {
		n.hooks[i] = v.Get("hooks").Contains(hook)
		if n.reads[i], err = sorted("reads."+hook, v.Get("reads").Get(hook)); err != nil {
			return nil, err
		}
	}
	n.capabilities, err = sorted("capabilities", v.Get("capabilities"))
	return n, err
}

// sorted reads a list whose indexes are ids.
func sorted(where string, v Value) ([]string, error) {
	var list []string
	for e := range v.Elems() {
		text, ok := e.Text()
		if !ok {
			return nil, errors.New("sallyport: manifest: " + where + ": not a list of strings")
		}
		if len(list) > 0 && text <= list[len(list)-1] {
			return nil, errors.New("sallyport: manifest: " + where + ": " + Quote(text) + " must stand before " + Quote(list[len(list)-1]) + ", once: the list is sorted by its bytes")
		}
		list = append(list, text)
	}
	return list, nil
}

// guest is a plugin that has begun to run.
type guest struct {
	plugin   Plugin
	host     *host.Host
	names    *names
	settings []byte
	list     List // holds the Call as well; reused
}

func begin(p Plugin, h *host.Host) (*guest, error) {
	n, err := readNames(p.Manifest)
	if err != nil {
		return nil, err
	}
	for i, has := range [...]bool{p.OnRequest != nil, p.OnResponse != nil, p.OnList != nil} {
		switch {
		case has && !n.hooks[i]:
			return nil, errors.New("sallyport: the plugin has a function for the hook " + hookNames[i] + ", which the manifest doesn't declare")
		case !has && n.hooks[i]:
			return nil, errors.New("sallyport: the manifest declares the hook " + hookNames[i] + ", for which the plugin has no function")
		}
	}
	g := &guest{plugin: p, host: h, names: n}
	g.list.Call = Call{host: h, names: n, memory: arena.New()}
	return g, nil
}

// judge runs a hook.
func (g *guest) judge(hook int32) int32 {
	c := &g.list.Call
	c.hook = hook
	c.memory.Reset()
	switch {
	case hook == abi.HookRequest && g.plugin.OnRequest != nil:
		return g.plugin.OnRequest(c).number()
	case hook == abi.HookResponse && g.plugin.OnResponse != nil:
		return g.plugin.OnResponse(c).number()
	case hook == abi.HookList && g.plugin.OnList != nil:
		return g.plugin.OnList(&g.list).number()
	}
	return abi.VerdictDeny
}

// take runs Validate or Configure with the settings.
func (g *guest) take(f func(Value) error) int32 {
	if f == nil {
		return 0
	}
	v, err := ParseJSON(string(g.settings))
	if err == nil {
		err = f(v)
	}
	return g.told("settings_refused", err)
}

func (g *guest) validate() int32 { return g.take(g.plugin.Validate) }

func (g *guest) configure() int32 { return g.take(g.plugin.Configure) }

func (g *guest) selfTest() int32 {
	if g.plugin.SelfTest == nil {
		return 0
	}
	return g.told("self_test_failed", g.plugin.SelfTest())
}

// told tells the operator of an error at boot.
func (g *guest) told(code string, err error) int32 {
	if err == nil {
		return 0
	}
	text := err.Error()
	if at, ok := errors.AsType[*SettingsError](err); ok {
		text = at.Message
		if at.Code != "" {
			code = at.Code
		}
		g.host.Note("path", at.Path)
	}
	g.host.Reason(code, text)
	return 1
}

// find returns the id of a name. It goes over the list, as most names differ in length: in Wasm
// that is several times cheaper than a binary search, up to hundreds of names.
func find(list []string, name string) (id int32, ok bool) {
	for i := range list {
		if len(list[i]) == len(name) && list[i] == name {
			return int32(i), true
		}
	}
	return 0, false
}
