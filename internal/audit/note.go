package audit

// Lifecycle records what happened to the gateway, and to its policies, whose revision it then names. It returns when the record is in
// the file: there are few, and whoever looks at the log meanwhile finds it.
func (l *Log) Lifecycle(event, revision, cause string) error {
	return l.Note(&Record{Event: event, Revision: revision, Cause: cause})
}

// Show gives a record as it would stand in the log, bounded and masked, but without a place in the chain, and without what the log would
// seal. It is one JSON object.
func (l *Log) Show(r *Record) []byte {
	r.encodeApart(l.mask, l.seal != nil, nil)
	out := append(make([]byte, 0, len(r.line)+1), '{')
	return append(out, r.line[:len(r.line)-1]...)
}

// Note is Lifecycle for a record that says more, such as who did it.
func (l *Log) Note(r *Record) error {
	r.Kind = Lifecycle
	if err := l.Append(r, true); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.until(l.appended)
}
