package jsonscan

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"reflect"
	"testing"
)

// nodeProgram reads a message a line and writes what a server in JavaScript finds in
// it: [method, params.name, params.arguments], each in an array, empty if missing.
const nodeProgram = `
const get = (o, k) => o.length && o[0] !== null && typeof o[0] === "object" &&
	!Array.isArray(o[0]) && Object.hasOwn(o[0], k) ? [o[0][k]] : [];
const text = require("fs").readFileSync(0, "utf8");
process.stdout.write(text.split("\n").slice(0, -1).map((line) => {
	const m = [JSON.parse(line)], p = get(m, "params");
	return JSON.stringify([get(m, "method"), get(p, "name"), get(p, "arguments")]) + "\n";
}).join(""));
`

// accepted returns n different messages that Scan accepts: generated, mutated and
// the seeds.
func accepted(t *testing.T, n int) [][]byte {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 4))
	g := generator{rand: r}
	seen := map[string]bool{}
	all := [][]byte{read(t, "call_1k.json"), read(t, "call_16k.json")}
	var d Doc
	for tries := 0; len(all) < n; tries++ {
		if tries > 100*n {
			t.Fatalf("only %d of %d tries are accepted", len(all), tries)
		}
		src := g.message()
		if tries%2 == 1 {
			src = mutate(r, pick(r, all))
		}
		if d.Scan(src, Options{Fold: true}) == nil && !seen[string(src)] {
			seen[string(src)] = true
			all = append(all, bytes.Clone(src))
		}
	}
	return all
}

func found(v Value) []any {
	if !v.Exists() {
		return []any{}
	}
	return []any{tree(v)}
}

func TestNodeReadsTheSameCall(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("SKIPPED: node is not in PATH; install Node.js 20 or later (https://nodejs.org) to compare with its JSON.parse")
	}
	messages := accepted(t, 5000)
	var in bytes.Buffer
	var want []any
	named := 0
	for _, src := range messages {
		root := scan(t, src, Options{Fold: true}).Root()
		in.Write(root.AppendTo(nil))
		in.WriteByte('\n')
		params := root.Get("params")
		call := []any{found(root.Get("method")), found(params.Get("name")), found(params.Get("arguments"))}
		want = append(want, floats(t, call))
		if len(call[1].([]any)) > 0 {
			named++
		}
	}
	if named < len(messages)/4 {
		t.Fatalf("only %d of %d messages name a tool", named, len(messages))
	}
	command := exec.Command(node, "-e", nodeProgram)
	command.Stdin = &in
	out, err := command.Output()
	if err != nil {
		t.Fatalf("node: %v", err)
	}
	lines := bytes.Split(bytes.TrimSuffix(out, []byte("\n")), []byte("\n"))
	if len(lines) != len(messages) {
		t.Fatalf("node read %d messages, want %d", len(lines), len(messages))
	}
	for i, line := range lines {
		var got any
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want[i]) {
			t.Errorf("%q:\nnode reads %v\nwant       %v", messages[i], got, want[i])
		}
	}
}
