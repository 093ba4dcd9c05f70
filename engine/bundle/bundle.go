// Package bundle is a set of policies with its revision: what one snapshot is compiled from.
package bundle

import "github.com/sallyport-dev/sallyport/engine/policy"

// Bundle is a set of policies. It is immutable.
type Bundle struct {
	Policies []*policy.Policy
	Files    []File
	Revision string // "sha256:<hex>" over the sorted names and contents of Files
}

// File is one policy file of a bundle.
type File struct {
	Name    string // relative to the bundle, with forward slashes
	Content []byte
}
