package fetch

import (
	"context"
	"os"
	"time"

	"github.com/sallyport-dev/sallyport/engine/bundle"
)

// local is a directory of policies, a file of them, or an archive. It is told of no change: whoever watches the files asks.
type local struct {
	name  string
	pause func()
}

// Fetch implements Source. A tag is a digest of the content, so it takes reading all of it to see that nothing has changed.
func (l local) Fetch(_ context.Context, have string, _ time.Duration) (*Content, error) {
	name := l.name
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() && bundle.IsArchive(name) {
		data, err := bundle.ReadPacked(name)
		if c := packed(data); err == nil && c.Tag != have {
			return c, nil
		}
		return nil, err
	}
	if have != "" {
		if now, err := bundle.Digest(name); err != nil || now == have {
			return nil, err
		}
	}
	set, err := bundle.OpenPaced(name, l.pause)
	if err != nil {
		return nil, err
	}
	return &Content{Tag: set.Revision, Set: set}, nil
}
