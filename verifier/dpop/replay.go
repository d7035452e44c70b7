package dpop

import (
	"container/heap"
	"context"
	"errors"
	"strings"
	"sync"
	"time"
)

// Cache remembers the proofs that were used, so that none is used twice. Several
// servers that take the same tokens should share one: in Redis, Add is
//
//	SET id 1 NX PXAT until
//
// Add notes an id, which need not be kept after the time until, and reports
// whether it is new. An error, of a cache that is full or out of reach, refuses
// the client with [ErrUnavailable], which is retryable: a proof that may have
// been used is not taken. An id consists of the thumbprint of the client's key,
// a dot and a hash of the proof's jti. Add is called from many goroutines at once.
type Cache interface {
	Add(ctx context.Context, id string, until time.Time) (added bool, err error)
}

// CacheFunc makes a function a [Cache].
type CacheFunc func(ctx context.Context, id string, until time.Time) (bool, error)

// Add calls f.
func (f CacheFunc) Add(ctx context.Context, id string, until time.Time) (bool, error) {
	return f(ctx, id, until)
}

var (
	errFull  = errors.New("the cache of used proofs is full")
	errShare = errors.New("one key has used too many proofs")
)

// share is the part of the cache that the proofs of one key may fill. Only
// clients with a valid token get into the cache at all; with this it takes many
// tokens, bound to many keys, to shut others out.
const share = 16

// memory is a Cache of bounded size. When it is full of proofs that are still
// good it accepts nothing further, since to forget one would be to accept it
// again.
type memory struct {
	size int
	now  func() time.Time

	mu    sync.Mutex
	used  map[string]struct{}
	byKey map[string]int // how many of them each key has
	order expiries
}

func newMemory(size int, now func() time.Time) *memory {
	return &memory{size: size, now: now, used: make(map[string]struct{}), byKey: make(map[string]int)}
}

func (m *memory) Add(_ context.Context, id string, until time.Time) (bool, error) {
	now := m.now()
	key, _, _ := strings.Cut(id, ".")
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.order) > 0 && !m.order[0].until.After(now) {
		m.forget(heap.Pop(&m.order).(expiry).id)
	}
	if _, ok := m.used[id]; ok {
		return false, nil
	}
	if len(m.used) >= m.size {
		return false, errFull
	}
	if m.byKey[key] >= max(m.size/share, 1) {
		return false, errShare
	}
	m.used[id] = struct{}{}
	m.byKey[key]++
	heap.Push(&m.order, expiry{until, id})
	return true, nil
}

func (m *memory) forget(id string) {
	delete(m.used, id)
	key, _, _ := strings.Cut(id, ".")
	if m.byKey[key]--; m.byKey[key] == 0 {
		delete(m.byKey, key)
	}
}

type expiry struct {
	until time.Time
	id    string
}

// expiries is a heap, the next to expire first.
type expiries []expiry

func (e expiries) Len() int           { return len(e) }
func (e expiries) Less(i, j int) bool { return e[i].until.Before(e[j].until) }
func (e expiries) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *expiries) Push(x any)        { *e = append(*e, x.(expiry)) }

func (e *expiries) Pop() any {
	last := (*e)[len(*e)-1]
	(*e)[len(*e)-1] = expiry{} // let go of the id
	*e = (*e)[:len(*e)-1]
	return last
}
