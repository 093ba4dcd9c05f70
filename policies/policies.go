// Package policies embeds the policy library: policies to start from, each in a folder of its own with its tests and a README.
package policies

import "embed"

// FS holds the library; its folders are the names that `policies: builtin:<name>` takes.
//
//go:embed starter/*.yaml
var FS embed.FS
