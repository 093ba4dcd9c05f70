package carry

import "fmt"

// This file is what belongs to one replica: it says to which, so that any other can pass on what comes for it.

// MaxHome bounds the address of a replica, in bytes.
const MaxHome = 255

// CheckHome says whether an address is short enough.
func CheckHome(home string) error {
	if len(home) > MaxHome {
		return fmt.Errorf("an address of %d bytes, at most %d are taken", len(home), MaxHome)
	}
	return nil
}

// AppendHome appends to what is about to be sealed where it belongs, an address that CheckHome has passed; "" is any replica.
func AppendHome(dst []byte, home string) []byte {
	return append(append(dst, byte(len(home))), home...)
}

// CutHome takes from what was opened where it belongs.
func CutHome(plain []byte) (home, rest []byte, err error) {
	if len(plain) == 0 || len(plain) < 1+int(plain[0]) {
		return nil, nil, ErrSealed
	}
	n := 1 + int(plain[0])
	return plain[1:n], plain[n:], nil
}

// CallOwner is what the state of a call is sealed for: the server, whose name has no NUL, and whoever the call is of.
func CallOwner(server string, owner []byte) []byte {
	b := make([]byte, 0, len(server)+1+len(owner))
	return append(append(append(b, server...), 0), owner...)
}
