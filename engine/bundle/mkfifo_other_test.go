//go:build !unix

package bundle

import "errors"

// mkfifo fails: there are no pipes with names among files.
func mkfifo(string) error { return errors.ErrUnsupported }
