// Package plugins measures the plugins below this directory, and the examples, on their corpora,
// as a gateway loads and calls them: README.md has the form of both. It holds tests only.
package plugins
