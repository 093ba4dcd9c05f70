// Command tenant-paths is a plugin that keeps the file tools of each tenant in the tenant's own
// directory. A path that is relative is taken to be in there, and the argument is rewritten so
// that the server sees the whole path; a path that leads out is denied.
package main

import (
	_ "embed"

	sallyport "github.com/sallyport-dev/sallyport/sdk/go"
)

// The manifest is a part of the code: it says which fields there are, by the names that the
// policy reads them by.
//
//go:embed manifest.json
var manifest string

// A plugin is a library for the gateway. Its main is never called, but Go wants one.
func main() {}

func init() { sallyport.Register(plugin()) } //nolint:gochecknoinits // a plugin has no main that runs

// plugin makes the plugin, so that each test has its own.
func plugin() sallyport.Plugin {
	p := &policy{}
	return sallyport.Plugin{
		Manifest:  manifest,
		Validate:  func(settings sallyport.Value) error { return (&policy{}).configure(settings) },
		Configure: p.configure,
		SelfTest:  selfTest,
		OnRequest: p.onRequest,
	}
}
