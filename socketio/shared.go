package socketio

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// FailureCounter counts failures over all processes that share it. Package redisstore
// has one in Redis.
type FailureCounter interface {
	// Add adds n failures to those of a key in the current minute, and returns how many
	// there are now.
	Add(ctx context.Context, key string, n int) (total int, err error)
}

// ShareFailures has the limits of [MaxFailures] hold over all processes that share the
// counter. Failures are told to the others in the background, so that no client waits
// for them: an address whose failures in all processes are more than its limit is
// refused here from its next failure here until the minute is over. While the counter
// is out of reach, the limits hold only within each process.
func ShareFailures(c FailureCounter) Option {
	return once("ShareFailures", func(o *config) error {
		if c == nil {
			return errors.New("socketio: ShareFailures: the counter is nil")
		}
		o.failureCounter = c
		return nil
	})
}

const (
	totalFailures  = "total"     // the key of all addresses
	counterTimeout = time.Second // of one call of a counter
)

// sharedFailures is the part of [failures] that processes share.
type sharedFailures struct {
	counter    FailureCounter
	logger     *slog.Logger
	perAddress int
	total      int
	blocked    *lru.Cache[addressKey, time.Time] // until when

	mu      sync.Mutex         // guards the rest
	queue   map[addressKey]int // failures to be told; the zero key is the total
	running bool               // whether a goroutine tells them
}

func newSharedFailures(c FailureCounter, logger *slog.Logger, perAddress, total int) *sharedFailures {
	s := &sharedFailures{counter: c, logger: logger, perAddress: perAddress, total: total, queue: make(map[addressKey]int)}
	s.blocked, _ = lru.New[addressKey, time.Time](maxAddresses) // fails for no size above zero
	return s
}

// allow reports whether the address has failures left among those of all processes.
func (s *sharedFailures) allow(key addressKey) bool {
	until, ok := s.blocked.Peek(key)
	return !ok || !time.Now().Before(until)
}

// failed tells others of a failure, later.
func (s *sharedFailures) failed(key addressKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) >= maxAddresses {
		return
	}
	s.queue[key]++
	if !s.running {
		s.running = true
		go s.tell()
	}
}

// tell tells others what is queued, and returns when nothing is.
func (s *sharedFailures) tell() {
	for {
		s.mu.Lock()
		queue := s.queue
		s.queue = make(map[addressKey]int)
		if s.running = len(queue) > 0; !s.running {
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		s.count(queue)
	}
}

// count adds the failures to those of all processes, and notes who has too many.
func (s *sharedFailures) count(queue map[addressKey]int) {
	sum := 0
	for key, n := range queue {
		sum += n
		total, err := s.add(key.name(), n)
		if err != nil {
			s.logger.Debug("socketio: failures were not shared", "error", err)
			return // an outage: those after it would fail too
		}
		if s.perAddress > 0 && total > s.perAddress {
			s.block(key)
		}
	}
	if total, err := s.add(totalFailures, sum); err == nil && s.total > 0 && total > s.total {
		for key := range queue {
			s.block(key)
		}
	}
}

// block refuses an address until the minute is over.
func (s *sharedFailures) block(key addressKey) {
	s.blocked.Add(key, time.Now().Truncate(time.Minute).Add(time.Minute))
}

func (s *sharedFailures) add(key string, n int) (total int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), counterTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			s.logger.Error("socketio: the counter of ShareFailures panicked", "panic", p)
			err = errors.New("panic")
		}
	}()
	return s.counter.Add(ctx, key, n)
}

// name returns the address as text of a bounded length.
func (k addressKey) name() string {
	if k.ip != (netip.Addr{}) {
		return k.ip.String()
	}
	sum := sha256.Sum256([]byte(k.other))
	return hex.EncodeToString(sum[:])
}
