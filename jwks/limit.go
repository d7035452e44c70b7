package jwks

import (
	"hash/maphash"
	"net"
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"
)

// The limits on fetches for unknown kids.
const (
	perSource = 30 * time.Second // between two of one source that found nothing
	perSet    = 5 * time.Second  // between two altogether, once the burst is used
	burst     = 2                // so that one source that spends its fetch leaves one to others

	absentFor = 5 * time.Second // how long a kid is taken to be unknown that the issuer did not know

	maxRemembered = 1024 // sources, and as many kids
)

// limiter bounds the fetches for unknown kids. It answers at once and is not safe
// for concurrent use.
//
// A fetch that finds its kid does not count: an issuer rotates only so often.
type limiter struct {
	spent  *recent // sources whose fetch found nothing
	absent *recent // kids that a fetch did not find

	paid time.Time // until when all fetches so far are paid for, at one in perSet

	last moment    // of the last reading
	at   time.Time // the limiter's own time, which never goes back
}

func newLimiter(now moment) *limiter {
	return &limiter{spent: newRecent(), absent: newRecent(), last: now, at: now.machine}
}

// time is the limiter's time at that moment. It never goes back, since otherwise a
// clock that is set back by hours would have everybody wait for hours.
func (l *limiter) time(now moment) time.Time {
	l.at = l.at.Add(max(0, now.since(l.last)))
	l.last = now
	return l.at
}

// take takes what a fetch for the source costs, and reports whether it was there.
func (l *limiter) take(source string, now time.Time) bool {
	if source != "" && l.spent.within(source, now, perSource) {
		return false
	}
	if l.paid.Sub(now) > (burst-1)*perSet {
		return false
	}
	if l.paid.Before(now) {
		l.paid = now
	}
	l.paid = l.paid.Add(perSet)
	if l.paid.Sub(now) > (burst-1)*perSet { // that was the last one: the next is a whole perSet away
		l.paid = now.Add(burst * perSet)
	}
	l.charge(source, now)
	return true
}

// charge has the source wait for its next fetch.
func (l *limiter) charge(source string, now time.Time) {
	if source != "" {
		l.spent.add(source, now)
	}
}

// giveBack undoes take.
func (l *limiter) giveBack(source string) {
	l.paid = l.paid.Add(-perSet)
	l.spent.remove(source)
}

// recent remembers when something was last seen, of a bounded number of things.
// It keeps a hash of each, under a seed that nobody knows, since an
// unauthenticated client chooses their length.
type recent struct {
	seed maphash.Seed
	seen *lru.LRU[uint64, time.Time]
}

func newRecent() *recent {
	seen, err := lru.NewLRU[uint64, time.Time](maxRemembered, nil)
	if err != nil {
		panic(err) // the size is positive
	}
	return &recent{maphash.MakeSeed(), seen}
}

func (r *recent) add(s string, now time.Time) { r.seen.Add(maphash.String(r.seed, s), now) }

func (r *recent) remove(s string) { r.seen.Remove(maphash.String(r.seed, s)) }

// within reports whether s was added less than d ago.
func (r *recent) within(s string, now time.Time, d time.Duration) bool {
	at, ok := r.seen.Peek(maphash.String(r.seed, s))
	return ok && now.Sub(at) < d
}

// sourceOf names where an address is: without its port, and of IPv6 by the /64, of
// which any client has all.
func sourceOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip = ip.Unmap().WithZone(""); ip.Is6() {
		if prefix, err := ip.Prefix(64); err == nil {
			return prefix.String()
		}
	}
	return ip.String()
}
