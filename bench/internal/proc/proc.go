// Package proc reads what a process used from /proc.
//
// CPU time per request moves least with a neighbour's load, so it is read in
// nanoseconds from schedstat; stat has ticks of 10 ms.
package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// CPU returns the time that the living threads of a process and its descendants
// have spent on a CPU. A thread that ended takes its time with it, which Go
// programs under load don't do.
func CPU(pid int) (time.Duration, error) {
	var total time.Duration
	for _, id := range family(pid) {
		for _, task := range tasks(id) {
			total += onCPU(task)
		}
	}
	if total == 0 {
		return 0, fmt.Errorf("process %d is gone", pid)
	}
	return total, nil
}

// RSS returns the bytes of memory resident for a process and its descendants.
func RSS(pid int) (int64, error) {
	var total int64
	for _, id := range family(pid) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", id))
		if err != nil {
			return 0, err
		}
		n, err := residentOf(string(b))
		if err != nil {
			return 0, fmt.Errorf("process %d: %w", id, err)
		}
		total += n
	}
	return total, nil
}

// family lists a process and its descendants.
func family(pid int) []int {
	ids := []int{pid}
	for _, task := range tasks(pid) {
		b, err := os.ReadFile(filepath.Join(task, "children"))
		if err != nil {
			continue // the thread ended between the listing and here
		}
		for f := range strings.FieldsSeq(string(b)) {
			if child, err := strconv.Atoi(f); err == nil {
				ids = append(ids, family(child)...)
			}
		}
	}
	return ids
}

// tasks lists the directories of a process's threads.
func tasks(pid int) []string {
	dirs, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil {
		return nil
	}
	return dirs
}

// onCPU reads a thread's first field of schedstat; a thread that ended has 0.
func onCPU(task string) time.Duration {
	b, err := os.ReadFile(filepath.Join(task, "schedstat"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(b), " ")
	ns, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(ns)
}

// residentOf reads VmRSS, in kB, from the text of /proc/PID/status.
func residentOf(status string) (int64, error) {
	for line := range strings.Lines(status) {
		rest, ok := strings.CutPrefix(line, "VmRSS:")
		if !ok {
			continue
		}
		kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		return kb << 10, err
	}
	return 0, fmt.Errorf("no VmRSS in its status")
}
