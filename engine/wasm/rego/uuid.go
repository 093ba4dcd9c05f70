package rego

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// parseUUID says what is in a UUID of RFC 9562, in any of the forms that are in use.
func parseUUID(_ *Call, s []string) Value {
	u, ok := readUUID(s[0])
	if !ok {
		return Undefined
	}
	version := int(u[6] >> 4)
	keys := []Value{"version", "variant"}
	values := []Value{Int(version), variant(u[8])}
	add := func(key string, v Value) { keys, values = append(keys, key), append(values, v) }
	if version == 1 || version == 2 {
		node := make([]string, 6)
		for i := range node {
			node[i] = hex.EncodeToString(u[10+i : 11+i])
		}
		add("nodeid", strings.Join(node, "-"))
		add("macvariables", address(u[10]))
		add("clocksequence", Int(int(binary.BigEndian.Uint16(u[8:])&0x3fff)))
		add("time", Int(timestamp(u)))
	}
	if version == 2 {
		add("id", Int(int64(binary.BigEndian.Uint32(u[:]))))
		add("domain", domain(u[9]))
	}
	return newObject(keys, values)
}

func readUUID(s string) (u [16]byte, ok bool) {
	switch len(s) {
	case 32:
		_, err := hex.Decode(u[:], []byte(s))
		return u, err == nil
	case 36 + len("urn:uuid:"):
		if !strings.EqualFold(s[:9], "urn:uuid:") {
			return u, false
		}
		s = s[9:]
	case 36 + len("{}"):
		s = s[1:37]
	case 36:
	default:
		return u, false
	}
	for _, i := range []int{8, 13, 18, 23} {
		if s[i] != '-' {
			return u, false
		}
	}
	n, err := hex.Decode(u[:], []byte(s[:8]+s[9:13]+s[14:18]+s[19:23]+s[24:]))
	return u, err == nil && n == len(u)
}

func variant(b byte) string {
	switch {
	case b&0xc0 == 0x80:
		return "RFC4122"
	case b&0xe0 == 0xc0:
		return "Microsoft"
	case b&0xe0 == 0xe0:
		return "Future"
	}
	return "Reserved"
}

// address says what kind of address a node has, by its first byte.
func address(b byte) string {
	return [...]string{"global:unicast", "global:multicast", "local:unicast", "local:multicast"}[b&3]
}

func domain(b byte) string {
	if names := [...]string{"Person", "Group", "Org"}; int(b) < len(names) {
		return names[b]
	}
	return fmt.Sprintf("Domain%d", b)
}

// timestamp is the time of a UUID, which counts 100 ns from 15 October 1582, in nanoseconds since
// 1970.
func timestamp(u [16]byte) int64 {
	t := int64(binary.BigEndian.Uint32(u[:])) | int64(binary.BigEndian.Uint16(u[4:]))<<32 | int64(binary.BigEndian.Uint16(u[6:])&0xfff)<<48
	const epoch = 0x01b21dd213814000
	return (t - epoch) * 100
}
