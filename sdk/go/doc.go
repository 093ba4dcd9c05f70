// Package sallyport is the SDK for plugins of a Sallyport gateway, in Go.
//
// A plugin is a function from a [Call] to a [Verdict], and a manifest that declares what the
// function may look at and do:
//
//	//go:embed manifest.json
//	var manifest string
//
//	func main() {}
//
//	func init() {
//		sallyport.Register(sallyport.Plugin{Manifest: manifest, OnRequest: onRequest})
//	}
//
//	func onRequest(c *sallyport.Call) sallyport.Verdict {
//		path, ok := c.Text("args.path")
//		if !ok {
//			return c.Deny("no_path", "Give the argument path.")
//		}
//		...
//		return sallyport.Pass
//	}
//
// It is built with the standard toolchain and completed by the command sallyport-embed:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -ldflags='-s -w' -o plugin.wasm .
//	go run github.com/sallyport-dev/sallyport/sdk/go/cmd/sallyport-embed plugin.wasm
//
// and tested by go test with the package sallyporttest, without Wasm.
//
// Every call begins with the memory as it was after booting: what a hook writes to variables is
// gone when the next call begins. Whatever goes wrong, a panic included, denies.
package sallyport
