package source

// file is the text that nodes stand in.
type file struct {
	name string
	data string
}

// extent returns the place of a scalar as a whole: its part on its first line.
func (n *Node) extent() (line, col, width int) {
	return int(n.line), int(n.col), 1
}

// locate returns the place of the code points first to last of a scalar's value.
func (n *Node) locate(value string, first, last int) (line, col, width int) {
	return n.extent()
}
