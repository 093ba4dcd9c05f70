package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOnlyCopiesOfTheProgramAreLeft(t *testing.T) {
	const smaps = `00400000-01912000 r-xp 00000000 fe:00 99 /opt/my sallyport
Rss:               14364 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
01912000-0315b000 r--p 01512000 fe:00 99 /opt/my sallyport
Anonymous:             4 kB
0315b000-0339a000 rw-p 02d5b000 fe:00 99 /opt/my sallyport
Anonymous:             0 kB
04000000-04001000 r--p 00000000 fe:00 98 /opt/other/sallyport
Anonymous:             0 kB
05000000-05001000 r--s 00000000 fe:00 99 /opt/my sallyport
Anonymous:             0 kB
06000000-06001000 r--p 00000000 00:00 0
Anonymous:             0 kB
07000000-07002000 r--p 00000000 fe:00 99 /opt/my sallyport
Anonymous:             0 kB
08000000-08002000 r--p 00000000 fe:00 99 /opt/my sallyport
garbage
`
	want := []mapping{{0x400000, 0x1912000}, {0x7000000, 0x7002000}}
	if d := cmp.Diff(want, unwritten(strings.NewReader(smaps), "/opt/my sallyport"), cmp.AllowUnexported(mapping{})); d != "" {
		t.Error(d)
	}
}

func TestTheProgramRunsOnWithoutItsStart(t *testing.T) {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	name, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if len(unwritten(f, name)) == 0 {
		t.Error("nothing of this program is left")
	}
	for range 20 {
		if err := leaveStart(); err != nil {
			t.Fatal(err)
		}
		TestOnlyCopiesOfTheProgramAreLeft(t)
	}
}
