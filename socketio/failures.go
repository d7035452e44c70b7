package socketio

import (
	"net/netip"
	"slices"
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

var (
	errTooManyPending = &verifier.UnauthorizedError{
		Code: string(ErrTooManyPending), Message: "too many connections, try again later", Reason: ErrTooManyPending, Retryable: true,
	}
	errTooManyFailures = &verifier.UnauthorizedError{
		Code: string(ErrTooManyAttempts), Message: "too many attempts, try again later", Reason: ErrTooManyAttempts, Retryable: true,
	}
)

// failures limits how many forged tokens are read. Expired or missing tokens do not
// count: after a night or an outage, a whole office comes back with those.
type failures struct {
	perMinute int
	total     *rate.Limiter                         // nil for no limit
	addresses *lru.Cache[addressKey, *rate.Limiter] // those with failures; nil for no limit
	shared    *sharedFailures                       // nil: counted in this process only
}

var forged = []verifier.Reason{verifier.ErrSignatureInvalid, verifier.ErrTokenMalformed, verifier.ErrTokenTooLong, verifier.ErrAlgorithmNotAllowed}

func newFailures(perAddress, total int) *failures {
	f := &failures{perMinute: perAddress}
	if total > 0 {
		f.total = bucket(total)
	}
	// Also without a limit for each: allow must know which addresses have failed.
	f.addresses, _ = lru.New[addressKey, *rate.Limiter](maxAddresses) // fails for no size above zero
	return f
}

// bucket allows n a minute, all at once if need be.
func bucket(n int) *rate.Limiter { return rate.NewLimiter(rate.Limit(float64(n)/60), n) }

// allow reports whether the address may try. When there are too many failures in total,
// addresses that contributed to them may not.
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

// addressKey is an address, or the network of an IPv6 address: one subscriber has more
// of those than a cache can hold.
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

// clientAddress is the default of [ClientAddress]: the peer's address, unless it is most
// likely a proxy's.
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
