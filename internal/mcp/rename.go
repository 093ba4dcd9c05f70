package mcp

import "github.com/sallyport-dev/sallyport/engine/jsonscan"

// Rename makes a checked message one about another tool, prompt, resource or task,
// and says whether it could: it writes the name into the bytes that were decoded,
// which must be the caller's own to change, and that takes a name which is no longer
// than what stood there. The name may be a part of Name. Headers are written for the
// new name.
func (m *Message) Rename(name string) bool {
	if !m.named.Overwrite(name) {
		return false
	}
	m.Name = m.named.Text()
	if m.mirrored != "" {
		m.mirrored = m.Name
	}
	return true
}

// EditName has AppendEdited write another name than Name.
func (m *Message) EditName(name string, e *jsonscan.Edits) bool {
	return e.Replace(m.named, jsonscan.AppendQuote(nil, name))
}

// Share gives a second Message over the same scan, which must not outlive m, nor m's
// next use.
func (m *Message) Share() Message {
	s := *m
	s.doc, s.id, s.Batch = jsonscan.Doc{}, nil, nil
	return s
}
