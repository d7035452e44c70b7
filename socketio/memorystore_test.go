package socketio_test

import (
	"context"
	"slices"
	"sync"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// memoryStore is a [socketio.RevocationStore] that several registries share, and
// whose link can be cut.
type memoryStore struct {
	mu        sync.Mutex
	down      error
	all       []socketio.Revocation
	followers map[int]follower
	n         int
}

type follower struct {
	news chan socketio.Revocation
	cut  chan error
}

func newMemoryStore() *memoryStore { return &memoryStore{followers: make(map[int]follower)} }

func (m *memoryStore) Put(_ context.Context, v socketio.Revocation) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil {
		return m.down
	}
	if !slices.Contains(m.all, v) {
		m.all = append(m.all, v)
	}
	for _, f := range m.followers {
		f.news <- v
	}
	return nil
}

func (m *memoryStore) Follow(ctx context.Context, apply func(socketio.Revocation), synced func()) error {
	m.mu.Lock()
	if m.down != nil {
		defer m.mu.Unlock()
		return m.down
	}
	f := follower{make(chan socketio.Revocation, 1<<20), make(chan error, 1)}
	m.n++
	n := m.n
	m.followers[n] = f
	old := slices.Clone(m.all)
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.followers, n)
	}()
	for _, v := range old {
		apply(v)
	}
	synced()
	for {
		select {
		case v := <-f.news:
			apply(v)
		case err := <-f.cut:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (m *memoryStore) lose(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = err
	for _, f := range m.followers {
		f.cut <- err
	}
}

func (m *memoryStore) restore() { m.mu.Lock(); m.down = nil; m.mu.Unlock() }
func (m *memoryStore) clear()   { m.mu.Lock(); m.all = nil; m.mu.Unlock() }
