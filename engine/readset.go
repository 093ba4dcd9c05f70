package engine

// readSet is what a list of rules can read.
type readSet struct {
	fields []string
}
