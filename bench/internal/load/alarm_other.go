//go:build !linux

package load

import "time"

// alarm sleeps: only Linux wakes more exactly.
type alarm struct{}

func newAlarm() alarm { return alarm{} }

func (alarm) sleep(d time.Duration) { time.Sleep(d) }

func (alarm) close() {}
