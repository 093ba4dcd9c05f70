package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
)

// A line waits without the hash of the line before it: hashing is for whoever writes the batch, not for whoever waits for a
// decision. It is complete as it will stand in the file but for that.

// linkAll appends lines to dst, each with the hash of the line before it, and says where the chain ends then.
func linkAll(dst, lines []byte, end tail) ([]byte, tail) {
	for len(lines) > 0 {
		n := bytes.IndexByte(lines, '\n') + 1
		var line []byte
		dst, line = link(dst, lines[:n], end.hash)
		end.seq++
		end.hash = sha256.Sum256(line)
		lines = lines[n:]
	}
	return dst, end
}

// link appends a line with its newline, and gives what the next one's hash is of.
func link(dst, line []byte, prev [32]byte) (out, linked []byte) {
	start := len(dst)
	number := bytes.IndexByte(line, ',') + 1
	dst = append(dst, line[:number]...)
	dst = append(dst, `"prev":"`...)
	dst = hex.AppendEncode(dst, prev[:])
	dst = append(dst, '"', ',')
	dst = append(dst, line[number:]...)
	return dst, dst[start : len(dst)-1]
}
