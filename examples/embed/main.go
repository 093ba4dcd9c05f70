// Command embed decides one call of a tool in a plain Go program: embed POLICIES TOOL ARGUMENTS.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

func main() {
	if len(os.Args) != 4 {
		exitOn(fmt.Errorf("usage: embed POLICIES TOOL ARGUMENTS"))
	}
	policies, err := bundle.Open(os.Args[1])
	exitOn(err)
	snapshot, err := engine.Compile(context.Background(), policies, engine.Options{})
	exitOn(err)
	var doc jsonscan.Doc
	exitOn(doc.Scan([]byte(os.Args[3]), jsonscan.Options{Fold: true}))
	decision := snapshot.Decide(context.Background(), &engine.Request{
		Method: "tools/call", Server: "files", Tool: os.Args[2], Arguments: doc.Root(), Time: time.Now(),
		Principal: &engine.Principal{ID: "alice", Groups: []string{"dev"}},
	})
	fmt.Println(decision.Effect, decision.Reason, decision.Message)
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
