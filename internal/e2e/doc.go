// Package e2e runs the gateway against real peers: the MCP conformance suites with
// go-sdk's server and client, the TypeScript client, and the reference server. It also
// runs plugins that are built from source, as their authors build them.
//
// It holds tests only. Those of peers need Node and what .ci/tools installs, and run when
// SALLYPORT_PEERS names the directory that it was installed into; then nothing is
// skipped, and what is missing is a failure. Those of plugins need the plugin's toolchain.
package e2e
