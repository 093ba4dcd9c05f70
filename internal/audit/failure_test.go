package audit

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// scripted is a disk that does what it is told: each entry is how many bytes the next write takes before it fails.
type scripted struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	fail []int
	hold chan struct{} // if set, writes wait for it
}

func (s *scripted) Write(p []byte) (int, error) {
	s.mu.Lock()
	hold := s.hold
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.fail) > 0 {
		n := min(s.fail[0], len(p))
		s.fail = s.fail[1:]
		s.buf.Write(p[:n])
		return n, syscall.ENOSPC
	}
	return s.buf.Write(p)
}

func (s *scripted) Bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.buf.Bytes())
}

func (s *scripted) Len() int { return len(s.Bytes()) }

func TestFullDisk(t *testing.T) {
	tests := []struct {
		name string
		fail []int
	}{
		{"nothing is taken", []int{0}},
		{"a part of the line is taken", []int{10}},
		{"a part of a part is taken", []int{10, 0, 7, 100}},
		{"one line of two is taken", []int{0, 150}},
		{"all but the newline", []int{0, 1 << 10}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &scripted{fail: tt.fail}
			var told []error
			l, err := Open(Options{Writer: w, Now: clock, OnError: func(err error) { told = append(told, err) }})
			if err != nil {
				t.Fatal(err)
			}
			want := ""
			for i := range tt.fail {
				err := l.Append(refusal(fmt.Sprint("r", i)), true)
				want += fmt.Sprint("r", i, " ")
				if e := new(WriteError); i == 0 && (!errors.As(err, &e) || !errors.Is(err, syscall.ENOSPC)) {
					t.Fatalf("Append on a full disk = %v, want ENOSPC", err)
				}
			}
			if l.Err() == nil || !l.Stats().Failing {
				t.Error("the log says that it can write")
			}
			mustAppend(t, l, refusal("after"), true)
			wantTools(t, w.Bytes(), want+"after")
			if l.Err() != nil || len(told) != 2 || told[0] == nil || told[1] != nil {
				t.Errorf("after recovery: Err() = %v, told = %v", l.Err(), told)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFullDiskIsTriedAgainWithoutCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &scripted{fail: []int{3}}
		l, err := Open(Options{Writer: w, Now: clock})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Append(refusal("a"), true); err == nil {
			t.Fatal("Append on a full disk = nil")
		}
		time.Sleep(failedFlush)
		synctest.Wait()
		wantTools(t, w.Bytes(), "a")
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestFullBufferRefusesAndIsNotedLater(t *testing.T) {
	w := &scripted{fail: []int{0, 0, 0, 0, 0, 0, 0, 0}}
	l, err := Open(Options{Writer: w, Now: clock, Buffer: 400})
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for range 6 {
		err := l.Append(refusal("x"), false)
		if err == nil {
			taken++
		} else if !errors.Is(err, ErrFull) || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Append = %v, want ErrFull and its cause", err)
		}
	}
	w.fail = nil
	mustAppend(t, l, refusal("y"), true)
	mustAppend(t, l, refusal("z"), true)
	wantTools(t, w.Bytes(), strings.Repeat("x ", taken)+"records_lost y z")
	if want := fmt.Sprintf(`"cause":"%d records found the buffer full"`, 6-taken); !bytes.Contains(w.Bytes(), []byte(want)) || taken == 0 || taken == 6 {
		t.Errorf("want %s in\n%s", want, w.Bytes())
	}
	if s := l.Stats(); s.Refused != uint64(6-taken) || s.WriteErrors == 0 {
		t.Errorf("Stats = %+v", s)
	}
}

func TestStalledDiskRefusesWithinTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &scripted{hold: make(chan struct{})}
		l, err := Open(Options{Writer: w, Now: clock, Buffer: 1100, Wait: 100 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		first := make(chan error, 1)
		go func() { first <- l.Append(refusal("a"), true) }()
		synctest.Wait()
		if err := l.Append(refusal("b"), true); !errors.Is(err, ErrStalled) || time.Since(begin) > 110*time.Millisecond {
			t.Errorf("Append = %v after %v, want ErrStalled within the bound", err, time.Since(begin))
		}
		if err := l.Append(refusal("c"), true); !errors.Is(err, ErrStalled) || time.Since(begin) > 110*time.Millisecond {
			t.Errorf("the next Append = %v after %v, want ErrStalled at once", err, time.Since(begin))
		}
		for err = nil; err == nil; {
			err = l.Append(refusal("d"), false)
		}
		if !errors.Is(err, ErrFull) {
			t.Errorf("Append to a full buffer = %v, want ErrFull", err)
		}
		close(w.hold)
		if err := <-first; err != nil {
			t.Errorf("the write that was slow = %v", err)
		}
		mustAppend(t, l, refusal("e"), true)
		got := strings.Join(tools(t, w.Bytes()), " ")
		if !strings.HasPrefix(got, "a b c d") || !strings.HasSuffix(got, " e") {
			t.Errorf("records = %s", got)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A record on which nothing waits is not lost to a write that takes long, only to one that doesn't end.
func TestLateRecordsWaitForAStalledDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &scripted{hold: make(chan struct{})}
		l, err := Open(Options{Writer: w, Now: clock, Buffer: 1100, Wait: 100 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		first := make(chan error, 1)
		go func() { first <- l.Append(refusal("a"), true) }()
		synctest.Wait()
		for err = nil; err == nil; {
			err = l.Append(refusal("b"), false)
		}
		begin := time.Now()
		if err := l.AppendLate(refusal("c")); !errors.Is(err, ErrFull) || time.Since(begin) < time.Second || time.Since(begin) > 2*time.Second {
			t.Errorf("AppendLate = %v after %v, want ErrFull after twenty times the bound", err, time.Since(begin))
		}
		close(w.hold)
		if err := <-first; err != nil {
			t.Fatal(err)
		}
		mustAppend(t, l, refusal("d"), true)
		time.Sleep(time.Second) // nothing is written any more
		w.hold = make(chan struct{})
		go func() { first <- l.Append(refusal("e"), true) }()
		synctest.Wait()
		for err = nil; err == nil; {
			err = l.Append(refusal("f"), false)
		}
		late := make(chan error, 8)
		for range cap(late) {
			go func() { late <- l.AppendLate(refusal("g")) }()
		}
		time.Sleep(time.Second)
		if len(late) != 0 {
			t.Errorf("AppendLate = %v during the write", <-late)
		}
		close(w.hold)
		for range cap(late) {
			if err := <-late; err != nil {
				t.Errorf("AppendLate = %v after the write", err)
			}
		}
		if err := errors.Join(<-first, l.Close()); err != nil {
			t.Error(err)
		}
		if got := strings.Join(tools(t, w.Bytes()), " "); strings.Count(got, "g") != cap(late) {
			t.Errorf("records = %s", got)
		}
	})
}

func TestWhatWasLostIsNotedAtTheEnd(t *testing.T) {
	w := &scripted{fail: []int{0, 0}}
	l, err := Open(Options{Writer: w, Now: clock, Buffer: 290})
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, refusal("a"), false)
	for range 2 {
		if err := l.Append(refusal("b"), true); !errors.Is(err, ErrFull) && !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("Append on a full disk = %v", err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := tools(t, w.Bytes()); got[len(got)-1] != "records_lost" {
		t.Errorf("records = %v, want records_lost at the end", got)
	}
}
