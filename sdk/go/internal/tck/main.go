//go:build wasip1

// Command tck is the plugin of hostapi/tck in Go: what its README says a guest must do.
package main

import (
	_ "embed"
	"errors"

	sallyport "github.com/sallyport-dev/sallyport/sdk/go"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/host"
)

//go:embed manifest.json
var manifest string

func main() {}

func init() { sallyport.Register(plugin()) }

func plugin() sallyport.Plugin {
	p := &guest{}
	return sallyport.Plugin{
		Manifest:   manifest,
		OnRequest:  func(c *sallyport.Call) sallyport.Verdict { return p.judge(&call{Call: c, hook: abi.HookRequest}) },
		OnResponse: func(c *sallyport.Call) sallyport.Verdict { return p.judge(&call{Call: c, hook: abi.HookResponse}) },
		OnList: func(l *sallyport.List) sallyport.Verdict {
			return p.judge(&call{Call: &l.Call, list: l, hook: abi.HookList})
		},
		Validate:  validate,
		Configure: p.configure,
		SelfTest:  p.selfTest,
	}
}

type guest struct {
	settings string
	calls    int
}

// call is a call with its parameters. What the SDK's types can't hold goes to the host itself.
type call struct {
	*sallyport.Call
	raw  host.Host
	list *sallyport.List
	hook int32
	out  []byte
}

func (p *guest) judge(c *call) sallyport.Verdict {
	do, there := c.Text("params._meta.tck.do")
	if !there {
		return c.verdict()
	}
	switch do {
	case "replace_all":
		return c.replaceAll()
	case "drop_all":
		return c.dropAll()
	case "settings":
		c.putValue(p.settings, true)
	case "count":
		p.calls++
		c.putInt(int64(p.calls))
	default:
		c.breaks(do)
		if c.says(do) {
			return c.verdict()
		}
		if !c.readsMessage(do) && !c.edits(do) && !c.asksHost(do) {
			return c.Fail("the guest doesn't know what to do")
		}
	}
	c.Note("out", string(c.out))
	return c.verdict()
}

// The parameters.

func (c *call) text(name string) string {
	text, _ := c.Text("params._meta.tck." + name)
	return text
}

func (c *call) int(name string) int32 {
	n, _ := c.Number("params._meta.tck." + name)
	return int32(n)
}

// verdict turns the ABI's number into the SDK's verdict. What is no verdict stays what it is.
func (c *call) verdict() sallyport.Verdict {
	switch n := c.int("verdict"); n {
	case abi.VerdictPass:
		return sallyport.Pass
	case abi.VerdictDeny:
		return sallyport.Deny
	case abi.VerdictMutate:
		return sallyport.Mutate
	case abi.VerdictApprove:
		return sallyport.Approve
	case abi.VerdictAbstain:
		return sallyport.Abstain
	default:
		return sallyport.Verdict(n)
	}
}

func (c *call) replaceAll() sallyport.Verdict {
	v := sallyport.Pass
	for s := range c.Strings() {
		if s.Text() == c.text("key") {
			s.Replace(c.text("text"))
			v = sallyport.Mutate
		}
	}
	return v
}

func (c *call) dropAll() sallyport.Verdict {
	v := sallyport.Pass
	for item := range c.list.Items() {
		if name, _ := item.Text("items[*].name"); name == c.text("key") {
			item.Drop()
			v = sallyport.Mutate
		}
	}
	return v
}

// Settings.

func validate(settings sallyport.Value) error {
	switch settings.JSON() {
	case `{"mode":"refuse"}`:
		return &sallyport.SettingsError{Path: "/mode", Code: "bad_mode", Message: "There is no such mode."}
	case `{"mode":"early"}`:
		(&host.Host{}).FieldKind(0)
	case `{"mode":"trap"}`:
		panic("as told")
	}
	return nil
}

func (p *guest) configure(settings sallyport.Value) error {
	p.settings = settings.JSON()
	return refuse(p.settings, `{"mode":"refuse to configure"}`)
}

func (p *guest) selfTest() error { return refuse(p.settings, `{"mode":"broken"}`) }

func refuse(settings, which string) error {
	if settings == which {
		return errors.New("as told")
	}
	return nil
}
