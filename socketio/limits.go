package socketio

import (
	"container/list"
	"net/netip"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// The defaults of [MaxPending] and [MaxFailures].
const (
	DefaultMaxPending            = 10_000
	DefaultMaxFailuresPerAddress = 600
	DefaultMaxFailures           = 30_000
)

// maxAddresses bounds how many addresses with failures are remembered.
const maxAddresses = 16 << 10

// LimitPolicy says who has to go when a user has too many sessions.
type LimitPolicy int

// The policies of [SessionLimit].
const (
	// RejectNewest refuses the new one. Before, it asks the user's other connections
	// for a sign of life ([Liveness]), for up to 2 s, and those that give none make
	// room. With a [Presence] it asks those of other processes too.
	RejectNewest LimitPolicy = iota
	// EvictOldest ends the oldest one.
	EvictOldest
)

type sessionLimit struct {
	n      int // zero for no limit
	policy LimitPolicy
}

var (
	errSessionLimit = &verifier.UnauthorizedError{
		Code: string(ErrSessionLimit), Message: "too many sessions", Reason: ErrSessionLimit, Retryable: true,
	}
	// One that was replaced must not come back on its own, only to replace its
	// successor.
	errReplaced = &verifier.UnauthorizedError{
		Code: string(ErrSessionLimit), Message: "replaced by a newer session", Reason: ErrSessionLimit,
	}
	errTooManyPending = &verifier.UnauthorizedError{
		Code: string(ErrTooManyPending), Message: "too many connections, try again later", Reason: ErrTooManyPending, Retryable: true,
	}
	errTooManyFailures = &verifier.UnauthorizedError{
		Code: string(ErrTooManyAttempts), Message: "too many attempts, try again later", Reason: ErrTooManyAttempts, Retryable: true,
	}
)

// waiting are the sockets that have not authenticated yet, the one that has
// waited longest first.
type waiting struct {
	mu   sync.Mutex
	list list.List // of *Guard
}

// add adds a socket. If there are now more than limit it returns the one that
// has waited longest: a client that means it needs a round trip, so that a flood
// of idle sockets crowds out itself.
func (w *waiting) add(g *Guard, limit int) *Guard {
	w.mu.Lock()
	defer w.mu.Unlock()
	g.place = w.list.PushBack(g)
	if w.list.Len() <= limit {
		return nil
	}
	longest := w.list.Front()
	w.list.Remove(longest)
	longest.Value.(*Guard).place = nil
	return longest.Value.(*Guard)
}

func (w *waiting) remove(g *Guard) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if g.place != nil {
		w.list.Remove(g.place)
		g.place = nil
	}
}

// failures limits how often tokens may fail that no honest client has: forged
// ones. Expired or missing tokens do not count, for after a night or an outage a
// whole office comes back with those.
type failures struct {
	perMinute int
	total     *rate.Limiter                         // nil for no limit
	addresses *lru.Cache[addressKey, *rate.Limiter] // those with failures; nil for no limit
	shared    *sharedFailures                       // nil: this process is alone
}

var forged = []verifier.Reason{verifier.ErrSignatureInvalid, verifier.ErrTokenMalformed, verifier.ErrTokenTooLong, verifier.ErrAlgorithmNotAllowed}

func newFailures(perAddress, total int) *failures {
	f := &failures{perMinute: perAddress}
	if total > 0 {
		f.total = bucket(total)
	}
	// Also without a limit for each: who has failed is told from who has not.
	f.addresses, _ = lru.New[addressKey, *rate.Limiter](maxAddresses) // fails for no size above zero
	return f
}

// bucket allows n a minute, all at once if need be.
func bucket(n int) *rate.Limiter { return rate.NewLimiter(rate.Limit(float64(n)/60), n) }

// allow reports whether the address may try. When there are too many failures in
// total, only addresses that have had a part in it may not.
func (f *failures) allow(address string) bool {
	key, ok := addressOf(address)
	if !ok {
		return true
	}
	if f.shared != nil && !f.shared.allow(key) {
		return false
	}
	own, known := f.addresses.Peek(key)
	if !known {
		return true
	}
	now := time.Now()
	return (own == nil || own.TokensAt(now) >= 1) && (f.total == nil || f.total.TokensAt(now) >= 1)
}

// failed counts a failure.
func (f *failures) failed(address string, reason verifier.Reason) {
	if !slices.Contains(forged, reason) {
		return
	}
	now := time.Now()
	if f.total != nil {
		f.total.AllowN(now, 1)
	}
	key, ok := addressOf(address)
	if !ok {
		return
	}
	if f.shared != nil {
		f.shared.failed(key)
	}
	own, known := f.addresses.Get(key)
	if !known {
		if f.perMinute > 0 {
			own = bucket(f.perMinute)
		}
		if existing, found, _ := f.addresses.PeekOrAdd(key, own); found {
			own = existing
		}
	}
	if own != nil {
		own.AllowN(now, 1)
	}
}

// addressKey is an address, or the network of one that has more of them than
// anybody could count.
type addressKey struct {
	ip    netip.Addr
	other string
}

func addressOf(address string) (addressKey, bool) {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		if ap, err := netip.ParseAddrPort(address); err == nil {
			ip = ap.Addr()
		} else {
			return addressKey{other: address}, address != ""
		}
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil { // what one subscriber has, at least
			ip = p.Addr()
		}
	}
	return addressKey{ip: ip}, true
}

// clientAddress is the default of [ClientAddress]: the peer's, unless that is
// most likely a proxy's.
func clientAddress(h *verifier.Handshake) string {
	ap, err := netip.ParseAddrPort(h.RemoteAddr)
	if err != nil {
		return ""
	}
	if ip := ap.Addr().Unmap(); ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || sharedSpace.Contains(ip) {
		return ""
	}
	return h.RemoteAddr
}

// sharedSpace is RFC 6598's, which carriers and clouds use inside.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")
