package socketio

import (
	"container/list"
	"sync"
)

// waiting are the sockets that have not authenticated yet, in the order in which they
// came.
type waiting struct {
	mu   sync.Mutex
	list list.List // of what drops the socket
}

// add adds a socket. If there are now more than limit it takes the oldest one out, and
// returns what drops it: a client that means it needs a round trip, so that a flood of
// idle sockets crowds out itself.
func (w *waiting) add(drop func(), limit int) (at *list.Element, dropOldest func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at = w.list.PushBack(drop)
	if w.list.Len() <= limit {
		return at, nil
	}
	return at, w.list.Remove(w.list.Front()).(func())
}

// remove takes a socket out, if it is in; at may be nil.
func (w *waiting) remove(at *list.Element) {
	if at == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list.Remove(at)
}
