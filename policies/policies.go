// Package policies embeds the policy library: policies to start from, each in a folder of its own with its tests and a README.
package policies

import "embed"

// FS holds the library, a folder for each part of it.
//
//go:embed */*.yaml
var FS embed.FS
