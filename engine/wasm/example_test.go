package wasm_test

import (
	"context"
	"fmt"
	"os"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// A plugin is loaded once and called for every message.
func Example() {
	host, err := wasm.New(wasm.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer host.Close()
	module, err := os.ReadFile("testdata/c/authorise.wasm")
	if err != nil {
		fmt.Println(err)
		return
	}
	plugin, err := host.Load(context.Background(), module, wasm.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer plugin.Close()

	var doc jsonscan.Doc
	if err := doc.Scan([]byte(`{"name":"read_file","arguments":{"path":"/etc/passwd"}}`), jsonscan.Options{Fold: true}); err != nil {
		fmt.Println(err)
		return
	}
	message := &wasm.Message{Method: "tools/call", Tool: "read_file", Params: doc.Root(), Principal: &wasm.Principal{Groups: []string{"dev"}}}
	var result wasm.Result
	plugin.Call(context.Background(), &wasm.Call{Hook: hostapi.HookRequest, Message: message}, &result)
	fmt.Println(result.Verdict(), result.Code, result.Message)
	// Output: deny outside The path is outside of /srv.
}
