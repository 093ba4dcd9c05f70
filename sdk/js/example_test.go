package js_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
	"github.com/sallyport-dev/sallyport/sdk/js"
)

const mailSettings = `{"tools":["send_mail"],"domains":["example.com"],"most":3}`

// example builds the plugin of examples/plugins/js.
func example(t testing.TB) []byte {
	t.Helper()
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("../../examples/plugins/js", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	module, err := js.Script{Source: read("plugin.js"), Manifest: read("manifest.json"), CacheDir: cache}.Build(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func loadExample(t testing.TB) (*wasm.Plugin, error) {
	t.Helper()
	began := time.Now()
	o := wasm.Options{CacheDir: cache}
	if _, ok := t.(*testing.T); ok {
		o.Now = func() time.Time { return began } // a busy machine ends no call
	}
	host, err := wasm.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = host.Close() })
	return host.Load(context.Background(), example(t), wasm.Config{Settings: []byte(mailSettings), CheckSettings: source.CheckJSON})
}

// mail is a call of send_mail.
func mail(t testing.TB, doc *jsonscan.Doc, arguments string) *wasm.Call {
	t.Helper()
	if err := doc.Scan([]byte(`{"name":"send_mail","arguments":`+arguments+`}`), jsonscan.Options{}); err != nil {
		t.Fatal(err)
	}
	return &wasm.Call{Hook: hostapi.HookRequest, Message: &wasm.Message{
		Method: "tools/call", Tool: "send_mail", Params: doc.Root(), Principal: &wasm.Principal{ID: "ann"},
	}}
}

func TestExample(t *testing.T) {
	p, err := loadExample(t)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for arguments, want := range map[string]string{
		`{"to":["bob@example.com"]}`:                                 "pass",
		`{"to":"Bob <bob@example.com>","subject":"é"}`:               `mutate {"to":["bob@example.com"],"subject":"é"}`,
		`{"to":"eve@other.example","subject":"Grüße 😀"}`:             `approve May ann send "Grüße 😀" to eve@other.example?`,
		`{"to":"bob@example.com","bcc":["eve@other.example"]}`:       "deny hidden_recipient",
		`{"to":"\"bob@example.com\" <eve@other.example>"}`:           "deny address_unreadable",
		`{"to":"eve@other.example","attachments":[{"name":1}]}`:      "deny attachment_outside",
		`{"to":"bob@example.com` + strings.Repeat("x", 1<<20) + `"}`: "deny address_unreadable",
	} {
		var doc jsonscan.Doc
		var r wasm.Result
		p.Call(context.Background(), mail(t, &doc, arguments), &r)
		got := r.Verdict().String()
		var edits jsonscan.Edits
		switch {
		case r.Failure.Type != "":
			got = string(r.Failure.Type) + " " + r.Failure.Text
		case r.Verdict() == hostapi.VerdictDeny:
			got += " " + r.Code
		case r.Verdict() == hostapi.VerdictApprove:
			got += " " + r.Approval
		case r.Verdict() == hostapi.VerdictMutate && r.Apply(&edits):
			got += " " + string(doc.Root().Get("arguments").AppendEdited(nil, &edits))
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%.80s: got %s, want %s", arguments, got, want)
		}
	}
}

// The figures of README.md: go test -run '^$' -bench . ./sdk/js.
func BenchmarkCall(b *testing.B) {
	for name, body := range map[string]string{
		"passes": `return "pass";`,
		"reads":  `return text.startsWith("/srv/") && !text.includes("..") ? "pass" : call.deny("outside", "Stay in /srv.");`,
	} {
		b.Run(name, func(b *testing.B) {
			p := load(b, build(b, body))
			var doc jsonscan.Doc
			measure(b, p, mail(b, &doc, `{"text":"/srv/a"}`))
		})
	}
	b.Run("mail", func(b *testing.B) {
		p, err := loadExample(b)
		if err != nil {
			b.Fatal(err)
		}
		defer p.Close()
		var doc jsonscan.Doc
		measure(b, p, mail(b, &doc, `{"to":["bob@example.com","kim@example.com"],"subject":"Plans"}`))
	})
}

func measure(b *testing.B, p *wasm.Plugin, c *wasm.Call) {
	b.Helper()
	ctx := context.Background()
	var r wasm.Result
	times := make([]float64, 0, b.N)
	for b.Loop() {
		p.Call(ctx, c, &r)
		if r.Verdict() != hostapi.VerdictPass {
			b.Fatal(r.Verdict(), r.Failure.Text)
		}
		times = append(times, float64(r.Time.Nanoseconds()))
	}
	slices.Sort(times)
	b.ReportMetric(times[len(times)/2], "p50-ns")
	b.ReportMetric(times[len(times)*99/100], "p99-ns")
	b.ReportMetric(float64(r.Fuel), "fuel")
	b.ReportMetric(float64(r.Memory), "bytes")
}

// What a gateway does at load, with and without the compiled code of an earlier one.
func BenchmarkLoad(b *testing.B) {
	module := example(b)
	for name, dir := range map[string]string{"compiled": cache, "new": ""} {
		b.Run(name, func(b *testing.B) {
			var p *wasm.Plugin
			for b.Loop() {
				host, err := wasm.New(wasm.Options{CacheDir: dir})
				if err != nil {
					b.Fatal(err)
				}
				if p, err = host.Load(context.Background(), module, wasm.Config{Settings: []byte(mailSettings), CheckSettings: source.CheckJSON}); err != nil {
					b.Fatal(err)
				}
				_ = host.Close()
			}
			info := p.Info()
			b.ReportMetric(float64(info.Boot.Microseconds()), "boot-us")
			b.ReportMetric(float64(info.ModuleBytes), "module-bytes")
			b.ReportMetric(float64(info.ImageBytes), "image-bytes")
		})
	}
}

// The plugin that README.md begins with is one.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```js\n")
	script, _, _ := strings.Cut(rest, "```")
	p := load(t, buildScript(t, script))
	for arguments, want := range map[string]string{`{}`: "deny no_path: A path is needed.", `{"path":1}`: "deny no_path: A path is needed.", `{"path":""}`: "pass"} {
		if _, got := ask(t, p, arguments); got != want {
			t.Errorf("%s: got %s, want %s", arguments, got, want)
		}
	}
}

// Plugins with the same hooks share what a gateway has compiled.
func TestPluginsShareCompiledCode(t *testing.T) {
	code := func(body string) string {
		info, err := wasm.Inspect(build(t, body))
		if err != nil {
			t.Fatal(err)
		}
		return info.Code
	}
	if one, two := code(`return "pass";`), code(`return call.deny("no", "Never.");`); one != two {
		t.Errorf("the code of one is %s, of the other %s", one, two)
	}
}
