package limit

import (
	"context"
	"fmt"
)

// Reach says whether the store lets calls be counted: it runs the script where it would be run for a call, on a key of its own that takes
// nothing and is gone after a millisecond. State in the process always answers. The first connection may take as long as ctx lets it, the
// script the timeout of the store.
func (l *Limiter) Reach(ctx context.Context) error {
	r, ok := l.store.(*remote)
	if !ok {
		return nil
	}
	if _, err := r.connected(ctx); err != nil {
		return fmt.Errorf("valkey: %w", err)
	}
	_, err := r.take(ctx, []take{{limit: &Limit{bucket: bucket{interval: int64(tick), burst: 1}}}}, l.now())
	return err
}
