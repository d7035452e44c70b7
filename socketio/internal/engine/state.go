package engine

// state says where a stay or a session is. A stay takes all of them, in this
// order, and may leave some out; a session is connected, closing and closed. The
// table of transitions is in doc.go.
type state uint8

const (
	deciding  state = iota // the library decides about the stay
	admitted               // the library has the stay; the client has not been answered
	connected              // packets pass
	closing                // over for the library; the client has not been told yet
	closed                 // over for both
)
