//go:build !linux

package cow

import "errors"

var errUnsupported = errors.New("no mapped images on this system")

const pageEntry = 8

type file struct{}

func newFile([]byte) (*file, []byte, error)    { return nil, nil, errUnsupported }
func (*file) reserve(int, int) ([]byte, error) { return nil, errUnsupported }
func (*file) open([]byte) error                { return errUnsupported }
func (*file) pages([]byte, int, []byte) error  { return errUnsupported }
func (*file) drop([]byte) error                { return nil }
func (*file) release([]byte)                   {}
func (*file) close([]byte) error               { return nil }

func ownPage([]byte) bool { return true }
