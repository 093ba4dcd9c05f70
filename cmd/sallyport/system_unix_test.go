//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// mkfifo makes a pipe with a name.
func mkfifo(name string) error { return syscall.Mkfifo(name, 0o600) }

// apart has a command begin a group of processes, of all that it starts.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// signalGroup sends a signal to a command's group. It fails if that has ended.
func signalGroup(cmd *exec.Cmd, s syscall.Signal) error { return syscall.Kill(-cmd.Process.Pid, s) }
