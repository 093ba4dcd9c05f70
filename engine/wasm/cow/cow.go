// Package cow gives every instance of a plugin a linear memory that begins as one image and
// goes back to it: on Linux a private, copy-on-write mapping of the image, elsewhere a copy.
//
// A memory's address never changes and its growth copies nothing, because all it may ever
// grow to is reserved when it is made. Mapped and copied memories behave alike.
package cow

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
)

// PageSize is the unit of the size of a linear memory, in bytes.
const PageSize = 64 << 10

var (
	// ErrInUse says that an image was closed before the memories that were made of it were freed.
	ErrInUse = errors.New("image in use")
	// ErrClosed says that a memory was wanted of an image that is closed.
	ErrClosed = errors.New("image closed")
)

// Options say how an image's memories are made.
type Options struct {
	// Limit is what a memory may grow to, in bytes: a multiple of PageSize, not below the
	// image's size. 0 is the image's size.
	Limit int
	// Plain has memories copied even where they could be mapped.
	Plain bool
}

// Image is what memories begin as. It is immutable but for Calibrate, and safe for concurrent
// use. Close it when its memories are freed.
type Image struct {
	content []byte // of a mapped image: a mapping of the file, that nobody writes
	runs    []run  // of content
	limit   int
	page    int   // of the system
	file    *file // nil: plain
	way     Way
	// users counts the memories that are not freed, and the owner, until Close.
	users atomic.Int64
}

// NewImage makes an image of content, whose length is a multiple of PageSize and not zero.
// content is copied. Where it can't be mapped, for a reason of this system, it is plain.
func NewImage(content []byte, o Options) (*Image, error) {
	if o.Limit == 0 {
		o.Limit = len(content)
	}
	switch {
	case len(content) == 0 || len(content)%PageSize != 0:
		return nil, fmt.Errorf("image of %d bytes: not a positive number of pages", len(content))
	case o.Limit < len(content) || o.Limit%PageSize != 0:
		return nil, fmt.Errorf("limit of %d bytes: not a number of pages, or below the image's %d bytes", o.Limit, len(content))
	}
	i := &Image{limit: o.Limit, page: os.Getpagesize()}
	i.users.Store(1)
	if !o.Plain {
		if f, view, err := newFile(content); err == nil {
			i.file, i.content = f, view
		}
	}
	if i.file == nil {
		i.content = slices.Clone(content)
	} else if len(content) > copyLimit/2 {
		i.way = Drop
	}
	i.runs = runsOf(i.content)
	return i, nil
}

// Size returns the number of bytes that a memory begins with.
func (i *Image) Size() int { return len(i.content) }

// Content returns what memories begin as. It must not be changed, nor used after Close.
func (i *Image) Content() []byte { return i.content }

// Mapped says whether memories share the image's pages until they are written.
func (i *Image) Mapped() bool { return i.file != nil }

// Way returns how memories are reset.
func (i *Image) Way() Way { return i.way }

// Close frees the image. With memories that are not freed it does nothing but return ErrInUse.
// A second call does nothing.
func (i *Image) Close() error {
	switch {
	case i.users.CompareAndSwap(1, 0):
		return i.file.close(i.content)
	case i.users.Load() == 0:
		return nil
	}
	return ErrInUse
}

func (i *Image) retain() bool {
	for {
		n := i.users.Load()
		if n == 0 {
			return false
		}
		if i.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}
