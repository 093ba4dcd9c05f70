package enginetest

// Method gives what is known of a method.
func Method(name string) (allowed bool, about, list string) {
	m := methods[name]
	return m.allowed, m.about, m.list
}
