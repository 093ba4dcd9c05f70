package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	blockSize = 256 << 10
	maxLine   = 1 << 20 // no record comes near it
)

var errLongLine = fmt.Errorf("a line is longer than %d bytes", maxLine)

// blocks reads r in blocks of whole lines and sends them, each in memory from free, where it is to be put back. What stands behind the last
// newline is a line too.
func blocks(ctx context.Context, r io.Reader, free chan []byte, out chan<- []byte) error {
	var rest []byte // of a line that the block before has begun
	for last := false; !last; {
		var b []byte
		select {
		case b = <-free:
		case <-ctx.Done():
			return ctx.Err()
		}
		b = append(b[:0], rest...)
		end := 0
		for end == 0 && !last {
			if len(b) > maxLine {
				return errLongLine
			}
			b = slices.Grow(b, blockSize/2)
			n, err := io.ReadFull(r, b[len(b):cap(b)])
			b = b[:len(b)+n]
			last = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
			if err != nil && !last {
				return err
			}
			end = bytes.LastIndexByte(b, '\n') + 1
		}
		if last {
			end = len(b)
		}
		rest = append(rest[:0], b[end:]...)
		select {
		case out <- b[:end]:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
