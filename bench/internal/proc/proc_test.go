//go:build linux

package proc

import (
	"os"
	"testing"
)

func TestCPUGrowsWithWork(t *testing.T) {
	before, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i := range 100_000_000 {
		n += i % 7
	}
	after, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if after <= before {
		t.Errorf("CPU time went from %v to %v over work (%d)", before, after, n)
	}
}

func TestRSSReadsKilobytes(t *testing.T) {
	n, err := residentOf("Name:\tx\nVmHWM:\t   99 kB\nVmRSS:\t   1536 kB\nThreads:\t3\n")
	if n != 1536<<10 || err != nil {
		t.Errorf("residentOf = %d, %v", n, err)
	}
	if _, err := residentOf("Name:\tx\n"); err == nil {
		t.Error("a status without VmRSS has a size")
	}
	if n, err := RSS(os.Getpid()); err != nil || n < 1<<20 {
		t.Errorf("RSS of this process = %d, %v", n, err)
	}
}

func TestAProcessThatIsGoneIsAnError(t *testing.T) {
	const never = 1 << 30
	if _, err := CPU(never); err == nil {
		t.Error("CPU of no process")
	}
	if _, err := RSS(never); err == nil {
		t.Error("RSS of no process")
	}
}
