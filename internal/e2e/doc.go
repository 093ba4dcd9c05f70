// Package e2e runs the gateway against real peers: the MCP conformance suites with
// go-sdk's server and client, the TypeScript client, and the reference server.
//
// It holds tests only. They need Node and what .ci/tools installs, and run when
// SALLYPORT_PEERS names the directory that it was installed into; then nothing is
// skipped, and what is missing is a failure.
package e2e
