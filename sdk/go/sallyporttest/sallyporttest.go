// Package sallyporttest runs plugins in ordinary Go tests, without Wasm: it is a host that
// answers from a message in memory and gives back what the plugin did as values.
//
// It enforces the manifest as the ABI says: a read, a write, a verdict or a capability that is
// not declared, or that the test's grant withholds, fails the call with the type that a gateway
// would record. What it can't do is in the module's README.
package sallyporttest

import (
	"errors"
	"fmt"
	"runtime/debug"
	"testing"
	"time"

	sallyport "github.com/sallyport-dev/sallyport/sdk/go"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/bridge"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/fake"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/manifest"
)

// Options are what an operator gives a plugin. The zero Options give it no settings, all that
// its manifest declares, and no capability.
type Options struct {
	Settings string // a JSON object; empty is {}
	// Tables grants lookup:NAME for each name: keys, and values as JSON.
	Tables map[string]map[string]string
	// Detectors grants match:NAME for each name: the rules of the set, in order.
	Detectors map[string][]Detector
	Grant     Grant
	Now       time.Time           // the time of every decision
	Lacks     []sallyport.Feature // of the host
}

// Detector is a rule of a set of detectors.
type Detector = fake.Detector

// Grant withholds what a manifest declares. A nil list grants all of it; an empty one nothing.
type Grant struct {
	Reads, Strings, Writes []string // field paths
	Verdicts               []string
}

// Host is a host that has booted a plugin. It is for one goroutine.
type Host struct {
	fake  *fake.Host
	guest *bridge.Guest
}

// BootError says why a plugin didn't boot.
type BootError struct {
	Code string // settings_refused, self_test_failed, or a type of failure
	Text string
	Path string // of the mistake in the settings, as a JSON Pointer, if the plugin said it
}

// Error returns the code, the place and the text.
func (e *BootError) Error() string {
	if e.Path != "" {
		return fmt.Sprintf("%s: %s: %s", e.Code, e.Path, e.Text)
	}
	return e.Code + ": " + e.Text
}

// New boots a plugin as a gateway does, and ends the test if that fails. A gateway begins each
// call with the memory as it is after booting; here the plugin's variables are those of the
// test, so a plugin that writes to them is told apart from one that doesn't by booting anew.
func New(tb testing.TB, p sallyport.Plugin, o Options) *Host {
	tb.Helper()
	h, err := Boot(p, o)
	if err != nil {
		tb.Fatalf("boot: %v", err)
	}
	return h
}

// Boot is New for tests of what must not boot. If the plugin refused, the error is a
// *[BootError].
func Boot(p sallyport.Plugin, o Options) (*Host, error) {
	m, err := manifest.Parse(p.Manifest)
	if err != nil {
		return nil, err
	}
	f := &fake.Host{Manifest: m, Sets: o.Detectors, NowUnix: o.Now.UnixMilli()}
	for _, x := range o.Lacks {
		f.Lacks = append(f.Lacks, int32(x))
	}
	if f.Tables, err = tables(o.Tables); err != nil {
		return nil, err
	}
	if f.Grant, err = o.Grant.parse(); err != nil {
		return nil, err
	}
	h := &Host{fake: f}
	f.Begin(fake.Start, nil)
	if h.guest, err = bridge.Begin(p, f); err != nil {
		return nil, err
	}
	return h, h.boot(o.Settings)
}

func (h *Host) boot(settings string) error {
	if settings == "" {
		settings = "{}"
	}
	n, err := manifest.ParseJSON(settings)
	if err != nil || n.Kind != abi.KindObject {
		return errors.New("sallyporttest: the settings are no JSON object")
	}
	if h.fake.Manifest.SettingsSchema == nil && len(n.Names) > 0 {
		return errors.New("sallyporttest: settings for a plugin whose manifest has no settings_schema")
	}
	validate := func() int32 { return h.guest.Validate([]byte(n.JSON())) }
	for _, step := range []func() int32{validate, h.guest.Configure, h.guest.SelfTest} {
		h.fake.Begin(fake.Boot, nil)
		code := int32(0)
		if f := guard(func() { code = step() }); f != nil {
			return &BootError{Code: f.Type, Text: f.Text}
		}
		if code != 0 {
			said := h.fake.Said
			return &BootError{Code: said.Code, Text: said.Text, Path: said.Notes["path"]}
		}
	}
	return nil
}

// guard returns the failure that a call ended with, nil if it returned.
func guard(call func()) (failure *Failure) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *fake.Failure:
			failure = &Failure{r.Type, r.Text}
		default:
			failure = &Failure{abi.FailureTrap, fmt.Sprintf("panic: %v\n%s", r, debug.Stack())}
		}
	}()
	call()
	return nil
}

func tables(in map[string]map[string]string) (map[string]map[string]*manifest.Node, error) {
	out := map[string]map[string]*manifest.Node{}
	for name, rows := range in {
		out[name] = map[string]*manifest.Node{}
		for key, text := range rows {
			n, err := manifest.ParseJSON(text)
			if err != nil {
				return nil, fmt.Errorf("sallyporttest: table %s: %q: %w", name, key, err)
			}
			out[name][key] = n
		}
	}
	return out, nil
}

func (g Grant) parse() (out fake.Grant, err error) {
	out.Verdicts = g.Verdicts
	for _, x := range []struct {
		from []string
		to   *[]manifest.Path
	}{{g.Reads, &out.Reads}, {g.Strings, &out.Strings}, {g.Writes, &out.Writes}} {
		if x.from == nil {
			continue
		}
		*x.to = []manifest.Path{}
		for _, text := range x.from {
			p, err := manifest.ParsePath(text)
			if err != nil {
				return out, err
			}
			*x.to = append(*x.to, p)
		}
	}
	return out, nil
}
