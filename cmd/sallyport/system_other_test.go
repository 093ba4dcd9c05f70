//go:build !unix

package main

import (
	"errors"
	"os/exec"
	"syscall"
)

// mkfifo fails: there are no pipes with names among files.
func mkfifo(string) error { return errors.ErrUnsupported }

// apart does nothing: there are no groups of processes.
func apart(*exec.Cmd) {}

// signalGroup kills the command: there is no signal but that.
func signalGroup(cmd *exec.Cmd, _ syscall.Signal) error { return cmd.Process.Kill() }
