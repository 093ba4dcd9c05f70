package limit

import (
	"context"
	"fmt"
)

// Reach says whether the store answers, and runs the script that counts. Nothing is counted. State in the process always answers. The
// first connection may take as long as ctx lets it, the script the timeout of the store.
func (l *Limiter) Reach(ctx context.Context) error {
	if r, ok := l.store.(*remote); ok {
		if _, err := r.connected(ctx); err != nil {
			return fmt.Errorf("valkey: %w", err)
		}
	}
	_, err := l.store.take(ctx, nil, l.now())
	return err
}
