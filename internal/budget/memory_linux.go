package budget

import (
	"bytes"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
)

func groupMemory() int64 { return groupMemoryIn(os.DirFS("/")) }

// groupMemoryIn is the least memory.max of this process's control group (version 2) and those that it is in.
func groupMemoryIn(root fs.FS) int64 {
	least := int64(math.MaxInt64)
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return least
	}
	for line := range bytes.Lines(groups) {
		name, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("0::/"))
		if !ok {
			continue
		}
		const top = "sys/fs/cgroup"
		for dir := path.Join(top, path.Clean("/"+string(name))); ; dir = path.Dir(dir) {
			text, _ := fs.ReadFile(root, dir+"/memory.max") // not there, or "max": no limit
			if n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64); err == nil && n > 0 {
				least = min(least, n)
			}
			if dir == top {
				break
			}
		}
	}
	return least
}
