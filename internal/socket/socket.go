// Package socket makes reads and writes of TCP connections cheaper, and connects a process with itself.
//
// A read or write of a socket that does not block takes microseconds, and most of them are spent in the receiving end's part of the
// network stack. syscall.Read and syscall.Write tell Go's scheduler all the same that the thread may be gone for long; when the kernel
// lets another thread run meanwhile, as it does when the peer is on the same machine, the scheduler's monitor stays awake, takes the
// processor from the thread and wakes another one for it, which costs more than the call. What is wrapped here keeps its processor.
package socket

import "errors"

// ErrSpoken is returned by Ask when the peer has sent something, or its end, before it was asked.
var ErrSpoken = errors.New("the peer has spoken, or hung up, before it was asked")

// Asker is what Wrap returns where it returns a connection of its own.
type Asker interface {
	// Ask writes question and reads into answer, once, what comes then. It looks first, and writes nothing if there is something to
	// read already, which can't be the answer. Looking takes the place of the read that would find nothing after the write, so it
	// costs no call of its own. wrote says how much of question was written, whatever the error.
	Ask(question, answer []byte) (wrote, read int, err error)
}

// ErrNothing is returned by ReadNow when nothing has come yet.
var ErrNothing = errors.New("nothing has come yet")

// Reader is what Wrap returns where it returns a connection of its own.
type Reader interface {
	// ReadNow reads what has come, and doesn't wait.
	ReadNow(b []byte) (int, error)
}
