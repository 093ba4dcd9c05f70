// Package socket makes reads and writes of TCP connections cheaper.
//
// A read or write of a socket that does not block takes microseconds, and most of them are spent in the receiving end's part of the
// network stack. syscall.Read and syscall.Write tell Go's scheduler all the same that the thread may be gone for long; when the kernel
// lets another thread run meanwhile, as it does when the peer is on the same machine, the scheduler's monitor stays awake, takes the
// processor from the thread and wakes another one for it, which costs more than the call. What is wrapped here keeps its processor.
package socket
