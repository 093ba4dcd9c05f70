package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing/fstest"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

const guard = `apiVersion: sallyport/v1
kind: Policy
metadata: { name: files }
match: { servers: [files], methods: [tools/call], tools: ["read_*"] }
rules:
  - { name: inside, when: 'path.within(args.path, "/srv/project")', effect: allow }
  - { name: no-dotfiles, when: 'args.path.contains("/.")', effect: deny, reason: dotfile, message: '"%s is hidden".format([args.path])' }
`

// policies are usually a directory: bundle.Open.
func policies(text string) *bundle.Bundle {
	b, err := bundle.FS(fstest.MapFS{"files.yaml": &fstest.MapFile{Data: []byte(text)}})
	if err != nil {
		panic(err)
	}
	return b
}

// toolCall is a call of a tool with arguments as they came over the wire.
func toolCall(tool, arguments string) *engine.Request {
	var doc jsonscan.Doc
	if err := doc.Scan([]byte(arguments), jsonscan.Options{Fold: true}); err != nil {
		panic(err)
	}
	return &engine.Request{
		Method: "tools/call", Server: "files", Tool: tool, Arguments: doc.Root(), Time: time.Unix(1_795_000_000, 0),
		Principal: &engine.Principal{ID: "alice", Groups: []string{"dev"}},
	}
}

func Example() {
	snapshot, err := engine.Compile(context.Background(), policies(guard), engine.Options{})
	if err != nil {
		fmt.Println(err) // every mistake, with its file, line and column
		return
	}
	for _, path := range []string{"/srv/project/plan.txt", "/srv/project/.env", "/etc/passwd"} {
		d := snapshot.Decide(context.Background(), toolCall("read_file", fmt.Sprintf(`{"path":%q}`, path)))
		fmt.Printf("%s: %s %q %q\n", path, d.Effect, d.Reason, d.Message)
	}
	// Output:
	// /srv/project/plan.txt: allow "" ""
	// /srv/project/.env: deny "dotfile" "/srv/project/.env is hidden"
	// /etc/passwd: deny "no_rule_matched" ""
}

// What can't be compiled is reported, with all that is wrong; what is in use stays.
func ExampleCompile() {
	_, err := engine.Compile(context.Background(), policies(strings.Replace(guard, "args.path.contains", "arg.path.contains", 1)), engine.Options{})
	fmt.Println(err)
	// Output: files.yaml:7:33: error[SP2002]: unknown name `arg`; did you mean `args`?
}

// New policies are compiled beside those in use, from which everything is taken over that is the same, and swapped in at once. A
// decision is made on the snapshot that it began with.
func ExampleCompile_swap() {
	var current atomic.Pointer[engine.Snapshot]
	reload := func(text string) error {
		old := current.Load()
		next, err := engine.Compile(context.Background(), policies(text), engine.Options{Previous: old})
		if err != nil {
			return err
		}
		current.Store(next)
		old.Close() // once nothing is decided on it any more
		return nil
	}
	call := toolCall("read_file", `{"path":"/srv/other/plan.txt"}`)
	for _, text := range []string{guard, strings.ReplaceAll(guard, "/srv/project", "/srv")} {
		if err := reload(text); err != nil {
			fmt.Println(err)
		}
		d := current.Load().Decide(context.Background(), call)
		fmt.Println(d.Effect, d.Revision == current.Load().Revision())
	}
	// Output:
	// deny true
	// allow true
}

// What can't be decided is denied, and Cause says why.
func ExampleSnapshot_Decide() {
	snapshot, err := engine.Compile(context.Background(), policies(guard), engine.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	d := snapshot.Decide(context.Background(), toolCall("read_file", `{}`))
	fmt.Println(d.Effect, d.Rule.ID(), d.Reason)
	fmt.Println(d.Cause)
	fmt.Println(d.Reads())

	snapshot = nil // nothing is loaded yet
	d = snapshot.Decide(context.Background(), toolCall("read_file", `{}`))
	fmt.Println(d.Effect, d.Reason)
	// Output:
	// deny files/no-dotfiles evaluation_error
	// files/no-dotfiles: no such key: path
	// [args.path]
	// deny no_policy
}

// A list shows the tools of which some call could be allowed.
func ExampleSnapshot_Visible() {
	snapshot, err := engine.Compile(context.Background(), policies(guard), engine.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, tool := range []string{"read_file", "write_file"} {
		d := snapshot.Visible(context.Background(), &engine.Request{Method: "tools/call", Server: "files", Tool: tool})
		fmt.Println(tool, d.Effect)
	}
	// Output:
	// read_file allow
	// write_file deny
}

// The mask is given every value that would be shown, with the field that it was read from.
func ExampleSnapshot_Explain() {
	snapshot, err := engine.Compile(context.Background(), policies(guard), engine.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	hide := func(field, value string) string {
		if field == "args.path" {
			return "***"
		}
		return value
	}
	x := snapshot.Explain(context.Background(), toolCall("read_file", `{"path":"/srv/project/plan.txt"}`), hide)
	for _, r := range x.Rules() {
		fmt.Println(r.Rule.ID(), r.Matched, len(r.Condition.Parts) > 0)
	}
	// Output:
	// files/inside true true
	// files/no-dotfiles false true
}
