package upstream

// Event is one event of a stream. Its fields alias a buffer that the next
// event overwrites. A field that was absent is nil.
type Event struct {
	ID      []byte
	Type    []byte
	Retry   []byte
	Data    []byte
	HasData bool
}
