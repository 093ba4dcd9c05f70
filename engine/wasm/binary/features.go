package binary

// refuse refuses something of a proposal that isn't read, or, if it is of none
// that is known, as the message says.
func (r *reader) refuse(at int, feature, format string, args ...any) {
	if feature != "" {
		format, args = "%s is not supported", []any{feature}
	}
	r.fail(at, format, args...)
}

// The proposals that are refused by name.
const (
	threads     = "the threads proposal"
	exceptions  = "the exception handling proposal"
	typedRefs   = "the typed function references proposal"
	gc          = "the garbage collection proposal"
	memory64    = "the memory64 proposal"
	multiMemory = "the multi-memory proposal"
	pageSizes   = "the custom page sizes proposal"
	relaxedSIMD = "the relaxed SIMD proposal"
	wideMath    = "the wide arithmetic proposal"
	switching   = "the stack switching proposal"
)

func valueTypeFeature(b byte) string {
	switch b {
	case 0x69, 0x74: // exnref, nullexnref
		return exceptions
	case 0x63, 0x64: // (ref null t), (ref t)
		return typedRefs
	case 0x6e, 0x6d, 0x6c, 0x6b, 0x6a, 0x71, 0x72, 0x73, 0x77, 0x78:
		return gc
	case 0x68, 0x75: // contref, nullcontref
		return switching
	}
	return ""
}

func typeFormFeature(b byte) string {
	switch b {
	case 0x4e, 0x4f, 0x50, 0x5e, 0x5f: // rec, sub final, sub, array, struct
		return gc
	case 0x5d: // cont
		return switching
	}
	return ""
}

func kindFeature(k Kind) string {
	if k == 4 { // a tag
		return exceptions
	}
	return ""
}

func mutabilityFeature(flags byte) string {
	if flags == 2 || flags == 3 {
		return threads
	}
	return ""
}

func limitsFeature(flags byte) string {
	switch {
	case flags > 0x0f:
		return ""
	case flags&8 != 0:
		return pageSizes
	case flags&4 != 0:
		return memory64
	}
	return threads
}

func opcodeFeature(op byte) string {
	switch op {
	case 0x06, 0x07, 0x08, 0x09, 0x0a, 0x18, 0x19, 0x1f:
		return exceptions
	case 0x14, 0x15, 0xd4, 0xd5, 0xd6:
		return typedRefs
	case 0xd3, 0xfb:
		return gc
	case 0xfe:
		return threads
	case 0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6:
		return switching
	}
	return ""
}

func subOpcodeFeature(op byte, sub uint32) string {
	switch {
	case op == opVector && sub >= 0x100 && sub <= 0x114:
		return relaxedSIMD
	case op == opMisc && sub >= 0x13 && sub <= 0x16:
		return wideMath
	}
	return ""
}
