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

// add adds a socket. If there are now more than limit, it removes the oldest one and
// returns the function that drops it. An honest client needs one round trip to
// authenticate, so a flood of idle sockets displaces itself.
func (w *waiting) add(drop func(), limit int) (at *list.Element, dropOldest func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at = w.list.PushBack(drop)
	if w.list.Len() <= limit {
		return at, nil
	}
	return at, w.list.Remove(w.list.Front()).(func())
}

// remove removes a socket if it is in the list. at may be nil.
func (w *waiting) remove(at *list.Element) {
	if at == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list.Remove(at)
}
