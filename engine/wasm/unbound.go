package wasm

import "encoding/binary"

// unbounded returns a module without a maximum of its memory. The memory of an instance is
// bounded by what it is mapped on (cow.Options.Limit); a maximum that it can reach is one from
// which it can't be made smaller again (cow.Memory.Shrink). The module has been parsed.
func unbounded(module []byte) []byte {
	const header, memorySection, bounded = 8, 5, 1
	for at := header; at < len(module); {
		id := module[at]
		size, n := binary.Uvarint(module[at+1:])
		from := at + 1 + n
		to := from + int(size)
		if n <= 0 || to > len(module) {
			return module
		}
		if id != memorySection {
			at = to
			continue
		}
		content := module[from:to] // one memory: 01, flags, minimum, maximum
		if len(content) < 3 || content[0] != 1 || content[1]&bounded == 0 {
			return module
		}
		minimum, n := binary.Uvarint(content[2:])
		if n <= 0 {
			return module
		}
		limits := binary.AppendUvarint([]byte{1, 0}, minimum)
		out := append([]byte(nil), module[:at+1]...)
		out = append(binary.AppendUvarint(out, uint64(len(limits))), limits...)
		return append(out, module[to:]...)
	}
	return module
}
