package wasm_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// echo has the module answer with what the message says.
func echo(t testing.TB) func(decision string) *wasm.Result {
	p := load(t, newHost(t, wasm.Options{EjectFailures: -1}), regoModule(t, "echo/decision"), wasm.Config{})
	return func(decision string) *wasm.Result {
		return ask(t, p, regoMessage(t, `{"decision":`+decision+`,"path":"/a"}`))
	}
}

func TestADocumentIsMadeAVerdict(t *testing.T) {
	decide := echo(t)
	const wrong = "deny abi: the decision's "
	for decision, want := range map[string]string{
		`true`:  "pass",
		`false`: `deny denied_by_plugin ""`,

		`{"allow":true}`:                                  "pass",
		`{"allow":true,"deny":[]}`:                        "pass",
		`{"allow":true,"deny":["b","a","b"]}`:             `deny denied_by_plugin "a; b"`,
		`{"allow":false}`:                                 `deny denied_by_plugin ""`,
		`{"allow":false,"message":"m","deny":["a"]}`:      `deny denied_by_plugin "m"`,
		`{"allow":false,"reason":"no_path"}`:              `deny no_path ""`,
		`{"allow":true,"reason":"no_path","message":"m"}`: "pass",
		`{"deny":["a"],"reason":"r"}`:                     `deny r "a"`,

		// what decides nothing passes nothing
		`{}`:                `deny undefined_decision ""`,
		`{"deny":[]}`:       `deny undefined_decision ""`,
		`{"labels":[]}`:     `deny undefined_decision ""`,
		`{"reason":"mine"}`: `deny mine ""`,

		`{"verdict":"pass"}`:                                 "pass",
		`{"verdict":"abstain"}`:                              "abstain",
		`{"verdict":"deny","reason":"r.1-x_","message":"m"}`: `deny r.1-x_ "m"`,
		`{"verdict":"deny"}`:                                 `deny denied_by_plugin ""`,
		`{"verdict":"approve","message":"Really?"}`:          `approve approval "Really?"`,
		`{"verdict":"mutate"}`:                               "pass", // as with other plugins
		`{"verdict":"mutate","patch":[{"op":"set","path":"args.path","value":"/b"},{"op":"remove","path":"args.decision"}]}`: `mutate | args.path="/b" | args.decision=`,
		`{"allow":true,"patch":[{"op":"set","path":"args.new","value":{"a":[1,2.50]}}]}`:                                     `mutate | args.new={"a":[1,2.50]}`,
		`{"allow":false,"patch":[{"op":"set","path":"args.path","value":"/b"}]}`:                                             `deny denied_by_plugin ""`,

		// contradictions
		`{"verdict":"pass","allow":true}`:                                        "deny abi: the decision has a verdict, and allow or deny besides",
		`{"verdict":"deny","deny":[]}`:                                           "deny abi: the decision has a verdict, and allow or deny besides",
		`{"verdict":"pass","patch":[{"op":"set","path":"args.path","value":1}]}`: "deny abi: edits with the verdict pass",

		// anything else
		`null`:                                  "deny abi: the decision is neither true or false nor an object: null",
		`"true"`:                                `deny abi: the decision is neither true or false nor an object: "true"`,
		`1`:                                     "deny abi: the decision is neither true or false nor an object: 1",
		`[true]`:                                "deny abi: the decision is neither true or false nor an object: [true]",
		`{"allow":true,"Deny":1}`:               `deny abi: the decision has a member "Deny"; there are allow, deny, drop, labels, message, notes, patch, reason, verdict`,
		`{"allow":"true"}`:                      wrong + "allow is not true or false",
		`{"allow":true,"deny":"a"}`:             wrong + "deny is not a list or a set",
		`{"allow":true,"deny":[1]}`:             wrong + "deny is not a string, or has one that is none",
		`{"verdict":"allow"}`:                   wrong + "verdict is not one of pass, deny, mutate, approve, abstain",
		`{"verdict":0}`:                         wrong + "verdict is not a string, or has one that is none",
		`{"allow":false,"reason":"No"}`:         wrong + "reason is not a code: a lower-case letter, then lower-case letters, digits, _, . and -",
		`{"allow":true,"labels":["A"]}`:         wrong + "labels is not a list of labels",
		`{"allow":true,"notes":[]}`:             wrong + "notes is not an object of strings",
		`{"allow":true,"notes":{"k":1}}`:        wrong + "notes is not a string, or has one that is none",
		`{"allow":true,"notes":{"K":"v"}}`:      wrong + "notes is not an object whose names are keys of notes",
		`{"allow":true,"patch":[1]}`:            wrong + "patch is not a list of objects",
		`{"allow":true,"patch":[{"op":"add"}]}`: wrong + "patch is not set with a value, or remove without one",
		`{"allow":true,"patch":[{"op":"set","path":"args.a"}]}`:                 wrong + "patch is not set with a value, or remove without one",
		`{"allow":true,"patch":[{"op":"remove","path":"args.a","value":1}]}`:    wrong + "patch is not set with a value, or remove without one",
		`{"allow":true,"patch":[{"op":"set","path":"args.a","value":1,"x":1}]}`: wrong + "patch is not of op, path and value",
		`{"allow":true,"patch":[{"op":"set","path":"args.a.b","value":1}]}`:     "deny abi: patch: the message has no place args.a.b, or what is around it is of another type",
		`{"allow":true,"patch":[{"op":"set","path":"params._meta","value":1}]}`: "deny capability: patch: params._meta is not within the granted writes",
		`{"allow":true,"drop":[0]}`:                                             wrong + "drop is not a list of indexes of items",
	} {
		if got := sum(decide(decision)); got != want {
			t.Errorf("%s: %s\nwant %s", decision, got, want)
		}
	}
	if got := sum(decide(`1,"decision2":1`)); !strings.HasPrefix(got, "deny abi") {
		t.Error(got)
	}
}

func TestAnUndefinedDecisionDenies(t *testing.T) {
	p := load(t, newHost(t, wasm.Options{EjectFailures: -1}), regoModule(t, "echo/decision"), wasm.Config{})
	if got := sum(ask(t, p, regoMessage(t, `{}`))); got != `deny undefined_decision ""` {
		t.Error(got)
	}
	if n := p.Stats().Failures[hostapi.FailureABI]; n > 0 {
		t.Errorf("%d failures", n)
	}
}

func TestADocumentSaysMore(t *testing.T) {
	r := echo(t)(`{"allow":true,"labels":["pii","pii","b"],"notes":{"k":"v","l":""}}`)
	if diff := cmp.Diff([]string{"pii", "b"}, r.Labels); diff != "" || r.Verdict() != hostapi.VerdictPass {
		t.Error(sum(r), diff)
	}
	slices.SortFunc(r.Notes, func(a, b wasm.Note) int { return strings.Compare(a.Key, b.Key) })
	if diff := cmp.Diff([]wasm.Note{{Key: "k", Text: "v"}, {Key: "l"}}, r.Notes); diff != "" {
		t.Error(diff)
	}
}

func TestVerdictsThatAreNotDeclaredFail(t *testing.T) {
	manifest := `{"abi":"sallyport/1","name":"rego","version":"1.0.0","hooks":["request"],"reads":{"request":["args"]},"rego":{"entrypoints":{"request":"echo/decision"},"clock":true},"limits":{"deadline_ms":10000}}`
	p := load(t, newHost(t, wasm.Options{EjectFailures: -1}), attached(t, manifest), wasm.Config{})
	for decision, want := range map[string]string{
		`true`:                  "pass",
		`false`:                 "deny capability: the verdict deny is not granted",
		`{"verdict":"approve"}`: "deny capability: the verdict approve is not granted",
		`{"allow":true,"patch":[{"op":"set","path":"args.a","value":1}]}`: "deny capability: patch: args.a is not within the granted writes",
	} {
		if got := sum(ask(t, p, regoMessage(t, `{"decision":`+decision+`}`))); got != want {
			t.Errorf("%s: %s, want %s", decision, got, want)
		}
	}
}

func TestTheInputIsWhatIsDeclared(t *testing.T) {
	h := newHost(t, wasm.Options{EjectFailures: -1})
	const manifest = `{"abi":"sallyport/1","name":"rego","version":"1.0.0","hooks":["request"],"reads":{"request":[%s]},"rego":{"entrypoints":{"request":"echo/seen"},"clock":true},"limits":{"deadline_ms":10000}}`
	for reads, want := range map[string]string{
		``:                                       `{}`,
		`"args.a"`:                               `{"args":{"a":1.50}}`,
		`"args.a","args.none","args.o.x"`:        `{"args":{"a":1.50,"o":{"x":[1, 2]}}}`,
		`"args","args.a"`:                        `{"args":{"a":1.50,"o":{"x":[1,2],"y z":"\u0001"}}}`,
		`"args.none.x","jwt"`:                    `{"jwt":{}}`,
		`"args.o[\"y z\"]","mcp.method"`:         `{"args":{"o":{"y z":"\u0001"}},"mcp":{"method":"tools/call"}}`,
		`"mcp.tool.annotations","mcp.tool.name"`: `{"mcp":{"tool":{"name":"read_file"}}}`,
		`"principal.claims.tenant","principal.groups","principal.id"`:            `{"principal":{"claims":{"tenant":"acme"},"groups":["dev","ops"],"id":"alice"}}`,
		`"request.headers[\"x-b\"]","request.headers[\"x-c\"]","source.address"`: `{"request":{"headers":{"x-b":"q\"\n"}},"source":{"address":"192.0.2.7"}}`,
	} {
		p := load(t, h, attached(t, fmt.Sprintf(manifest, reads)), wasm.Config{})
		m := regoMessage(t, `{"a":1.50,"o":{"x":[1, 2],"y z":"\u0001"}}`)
		m.Header = func(name string) string { return map[string]string{"x-b": "q\"\n"}[name] }
		e := wasm.Evaluate(p, hostapi.HookRequest, m)
		if canonical(t, e.Input) != canonical(t, want) {
			t.Errorf("%s: %s\nwant %s", reads, e.Input, want)
		}
		r := ask(t, p, m)
		if saw := noted(r, "input"); r.Verdict() != hostapi.VerdictPass || canonical(t, saw) != canonical(t, want) {
			t.Errorf("%s: the module saw %v (%s), want %s", reads, r.Notes, sum(r), want)
		}
	}
}

func TestAModuleSeesAndDropsItems(t *testing.T) {
	const manifest = `{"abi":"sallyport/1","name":"rego","version":"1.0.0","hooks":["list","request"],"reads":{"list":["items[*].annotations.hint","items[*].name","mcp.method"]},` +
		`"verdicts":["mutate"],"rego":{"entrypoints":{"list":"echo/list","request":"echo/seen"},"clock":true},"limits":{"deadline_ms":10000}}`
	p := load(t, newHost(t, wasm.Options{EjectFailures: -1}), attached(t, manifest), wasm.Config{})
	m := &wasm.Message{Method: "tools/list", Items: scan(t, `[{"name":"a","annotations":{"hint":true}},{"name":"secret-b"},7,{"name":"secret-c","description":"x"}]`)}
	if e := wasm.Evaluate(p, hostapi.HookList, m); canonical(t, e.Input) != canonical(t, `{"items":[{"annotations":{"hint":true},"name":"a"},{"name":"secret-b"},{},{"name":"secret-c"}],"mcp":{"method":"tools/list"}}`) {
		t.Error(e.Input)
	}
	var r wasm.Result
	p.Call(context.Background(), &wasm.Call{Hook: hostapi.HookList, Message: m}, &r)
	var dropped []int
	for _, e := range r.Edits {
		dropped = append(dropped, e.Item)
	}
	if diff := cmp.Diff([]int{1, 3}, dropped); diff != "" || r.Verdict() != hostapi.VerdictMutate {
		t.Error(sum(&r), diff)
	}
}

func noted(r *wasm.Result, key string) string {
	for _, n := range r.Notes {
		if n.Key == key {
			return n.Text
		}
	}
	return ""
}
