package socketio

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// RevocationStore shares revocations between processes. An implementation must
// be safe for concurrent use. Package redisstore has one.
type RevocationStore interface {
	// Put stores a revocation until it expires, and tells all followers. Putting
	// one that is already there is harmless.
	Put(ctx context.Context, r Revocation) error

	// Follow calls apply for every revocation in the store, then calls synced
	// once, and from then on apply for every one that is put. It may miss none
	// that was put before Follow returns; some may come twice. It returns when
	// ctx ends, and with an error when it can no longer tell, such as when the
	// connection to the store is lost. It is then called again.
	Follow(ctx context.Context, apply func(Revocation), synced func()) error
}

// RevocationSyncer is a [RevocationStore] whose list may be lost as a whole. A
// registry calls Sync instead of Follow.
type RevocationSyncer interface {
	RevocationStore

	// Sync is Follow, and more: it puts back what the store lacks, and calls
	// Synced only when other processes have done so too.
	Sync(ctx context.Context, s *RevocationSync) error
}

// RevocationSync is what a [RevocationSyncer] tells a registry, and what it may
// ask. All functions return without waiting for the application.
type RevocationSync struct {
	// Begin says that the list is about to be read from its start. It reports
	// whether this process knows revocations.
	Begin func() (known bool)

	// Apply is called with each revocation that the store has.
	Apply func(Revocation)

	// Missing returns the revocations that this process knows, and that Apply
	// has not been called with since Begin.
	Missing func() iter.Seq[Revocation]

	// Clock tells the time of the store's clock.
	Clock func(now time.Time)

	// Synced says that this process now knows every revocation.
	Synced func()
}

// ErrStoreMisconfigured is in the error of a store that does not work until
// somebody changes its configuration. [Registry.Synced] then returns without
// waiting any longer.
var ErrStoreMisconfigured = errors.New("the store is misconfigured")

var (
	errNotYet             = errors.New("socketio: the revocation store has not yet answered")
	errStopped            = errors.New("socketio: the registry is closed")
	errNotStored          = errors.New("the store does not have them")
	errAhead              = errors.New("they keep out tokens whose iat lies ahead")
	errWithdrawnElsewhere = errors.New("they were taken back elsewhere meanwhile, and are put again")
)

func unavailable(cause error) *verifier.UnauthorizedError {
	return &verifier.UnauthorizedError{
		Code: verifier.CodeUnknown, Message: "try again later", Reason: ErrRevocationsUnavailable, Retryable: true, Err: cause,
	}
}
