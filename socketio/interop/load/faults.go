package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/outage"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// A fault is something that goes wrong around the servers for a while.
type fault struct {
	name       string
	lasting    time.Duration // -each if zero, or if that is longer
	begin, end func(s *scene) error

	// What the honest may be told instead of being accepted, and for how long after
	// its end: reasons, or "network" where they are told nothing.
	excuses map[string]time.Duration

	unnoticed time.Duration // how long a server may not know that it no longer hears of revocations
	forgetful bool          // keys are good for a short while only, without their issuer
	late      bool          // servers hear of revocations only when it is over
	loses     bool          // it ends the sockets there are
	unwatched bool          // a client does not see when its socket ends
	revokesAt int           // the node that revokes somebody in the middle of it
	alone     bool          // which cannot tell the other, and says so
}

// The bounds are those of docs/jwks.md and docs/revocation.md, with a second for a
// busy machine.
const (
	// All come from one address, and some with invented kids: of its fetches that
	// find nothing there is one in 30 s, and one takes up to 5 s.
	keysBound        = 30*time.Second + 5*time.Second + time.Second
	cutBound         = 2*time.Second + time.Second // the longest pause between attempts to reach the store
	restartBound     = 7*time.Second + time.Second // and what others may have to put back
	silentBound      = 7*time.Second + time.Second // an attempt that hangs
	silenceUnnoticed = 7 * time.Second
	networkBound     = 2 * time.Second

	pings = time.Second
)

const (
	noKeys        = "keys_unavailable"
	noRevocations = "revocations_unavailable"
	noNetwork     = "network"
)

// allFaults returns the faults there are.
func allFaults() []fault {
	issuers := func(s *scene) (all []*outage.Link) {
		for _, n := range s.nodes {
			all = append(all, n.issuer)
		}
		return all
	}
	clients := func(s *scene) (all []*outage.Link) {
		for _, n := range s.nodes {
			all = append(all, n.clients)
		}
		return all
	}
	onLinks := func(of func(*scene) []*outage.Link, do func(*outage.Link)) func(*scene) error {
		return func(s *scene) error {
			for _, l := range of(s) {
				do(l)
			}
			return nil
		}
	}
	broken := func(f verifiertest.Fault) func(*scene) error {
		return func(s *scene) error {
			s.issuer.Break(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
				s.broken.Add(1)
				f(w, r, serve)
			})
			return nil
		}
	}
	whole := func(s *scene) error { s.issuer.Break(nil); return nil }
	cut, silence, mend := (*outage.Link).Cut, (*outage.Link).Silence, (*outage.Link).Mend
	redis := func(node int, do func(*outage.Link)) func(*scene) error {
		return func(s *scene) error { do(s.nodes[node].redis); return nil }
	}
	without := func(what string, bound time.Duration) map[string]time.Duration {
		return map[string]time.Duration{what: bound}
	}
	return []fault{
		{name: "issuer-cut", begin: onLinks(issuers, cut), end: onLinks(issuers, mend)},
		{name: "issuer-silent", begin: onLinks(issuers, silence), end: onLinks(issuers, mend)},
		{name: "issuer-500", begin: broken(verifiertest.Status(500)), end: whole},
		{name: "issuer-nonsense", begin: broken(verifiertest.Body("text/html", "<html>Please log in</html>")), end: whole},
		{name: "issuer-cut-withdrawal", loses: true, excuses: without(noKeys, keysBound),
			begin: func(s *scene) error { s.rotate(); return onLinks(issuers, cut)(s) },
			end:   onLinks(issuers, mend)},
		{name: "issuer-cut-too-long", forgetful: true, lasting: 10 * time.Second, excuses: without(noKeys, keysBound),
			begin: onLinks(issuers, cut), end: onLinks(issuers, mend)},
		{name: "redis-killed", excuses: without(noRevocations, restartBound), late: true, alone: true,
			begin: func(s *scene) error { s.redis.Stop(); return nil },
			end:   func(s *scene) error { return s.redis.Start() }},
		{name: "redis-cut-gosio", excuses: without(noRevocations, cutBound), late: true, revokesAt: 1, begin: redis(0, cut), end: redis(0, mend)},
		{name: "redis-cut-zishang", excuses: without(noRevocations, cutBound), late: true, begin: redis(1, cut), end: redis(1, mend)},
		{name: "redis-silent-gosio", lasting: silenceUnnoticed + 5*time.Second, excuses: without(noRevocations, silentBound), late: true,
			unnoticed: silenceUnnoticed, revokesAt: 1, begin: redis(0, silence), end: redis(0, mend)},
		{name: "redis-silent-zishang", lasting: silenceUnnoticed + 5*time.Second, excuses: without(noRevocations, silentBound), late: true,
			unnoticed: silenceUnnoticed, begin: redis(1, silence), end: redis(1, mend)},
		{name: "clients-cut", excuses: without(noNetwork, networkBound), loses: true, unwatched: true,
			begin: onLinks(clients, cut), end: onLinks(clients, mend)},
		{name: "clients-silent", lasting: 8 * pings, excuses: without(noNetwork, networkBound), loses: true, unwatched: true,
			begin: onLinks(clients, silence), end: onLinks(clients, mend)},
		{name: "everything", excuses: map[string]time.Duration{noNetwork: networkBound, noRevocations: restartBound},
			loses: true, unwatched: true, late: true, revokesAt: 1, alone: true,
			begin: func(s *scene) error {
				s.redis.Stop()
				return errors.Join(onLinks(issuers, cut)(s), onLinks(clients, cut)(s))
			},
			end: func(s *scene) error {
				return errors.Join(onLinks(issuers, mend)(s), onLinks(clients, mend)(s), s.redis.Start())
			}},
	}
}

// faults has the issuer, Redis and the network to the clients fail in turn, while
// honest people and others keep coming to a server of each binding. It fails if
// a client is accepted that must not be, or kept out for another reason or for
// longer than is documented, if a live socket ends that should not or goes on
// after its time, or if anything is left in the end.
func faults(args []string, out io.Writer) error {
	f := flags("faults")
	each := f.Duration("each", 20*time.Second, "how long a fault lasts, at least")
	ttl := f.Duration("ttl", 24*time.Second, "how long a key set is used; a quarter of it should be longer than a fetch may take, 5 s")
	rate := f.Int("rate", 60, "people a second that come to each server")
	only := list(f, "faults", "", "names of the faults, all by default")
	if err := f.Parse(args); err != nil {
		return err
	}
	for _, name := range only() {
		if !slices.ContainsFunc(allFaults(), func(f fault) bool { return f.name == name }) {
			return fmt.Errorf("no fault is called %q", name)
		}
	}
	table := tabwriter.NewWriter(out, 10, 0, 2, ' ', 0)
	defer table.Flush()
	fmt.Fprintln(table, "fault\tlasted\thonest\tkept out\tthe last after its end\tbound\tothers, kept out\tsockets that stayed\tended as they should")
	for _, forgetful := range []bool{false, true} {
		var these []fault
		for _, f := range allFaults() {
			if wanted(only(), f.name) && f.forgetful == forgetful {
				f.lasting = max(f.lasting, *each)
				these = append(these, f)
			}
		}
		ttl, maxStale := *ttl, 10*time.Minute
		if forgetful {
			ttl, maxStale = 2*time.Second, 3*time.Second
		}
		if err := sufferAll(table, these, ttl, maxStale, *rate); err != nil {
			return err
		}
	}
	return nil
}

// sufferAll lives through faults with the same servers.
func sufferAll(table *tabwriter.Writer, these []fault, ttl, maxStale time.Duration, rate int) error {
	if len(these) == 0 {
		return nil
	}
	nodes := []node{{kind: "gosio", mode: "handshake"}, {kind: "zishang", mode: "handshake"}}
	s, err := newScene(nodes, verification{TTL: ttl, MaxStale: maxStale}, "-timeout", "8s", "-ping", pings.String(), "-refusal-delay", "10ms")
	if err != nil {
		return err
	}
	defer s.close()
	before, err := s.rest()
	if err != nil {
		return err
	}
	stop := s.arrivals(rate)
	defer stop()
	for _, f := range these {
		if err := s.suffer(table, f); err != nil {
			return fmt.Errorf("%s: %w\n%s%s", f.name, err, s.nodes[0].p.log, s.nodes[1].p.log)
		}
		_ = table.Flush() // what there is so far
	}
	stop()
	if err := s.pass(0); err != nil { // of those who were still under way
		return err
	}
	after, err := s.rest()
	if err != nil {
		return err
	}
	for i, n := range s.nodes {
		b, a := before[i], after[i]
		fmt.Fprintf(table, "%s: goroutines %d, then %d; in use %d KiB, then %d; sessions %d\n", n.kind, b.Goroutines, a.Goroutines,
			b.inUse()>>10, a.inUse()>>10, a.Sessions)
		if err := a.leftBehind(b); err != nil {
			return fmt.Errorf("%s: %w", n.kind, err)
		}
		if text := n.p.log.String(); strings.Contains(text, "panic") {
			return fmt.Errorf("%s logged: %s", n.kind, text)
		}
	}
	return nil
}

// suffer lives through a fault.
func (s *scene) suffer(out io.Writer, f fault) error {
	live, err := s.begin(f)
	defer live.leave()
	if err != nil {
		return err
	}
	met := s.met()
	began := time.Now()
	if err := s.during(f, live, began); err != nil {
		return err
	}
	met = s.met() - met
	ended := time.Now()
	s.excuseUntil(f.excuses, ended)
	if err := f.end(s); err != nil {
		return err
	}
	if err := s.after(f, live, ended); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.tally
	for reason := range f.excuses {
		if t.told[reason] == 0 {
			return fmt.Errorf("nobody was kept out by: %s", reason)
		}
	}
	if len(f.excuses) == 0 && met == 0 {
		return errors.New("the fault met nobody")
	}
	last := "-"
	if t.last.After(ended) {
		last = t.last.Sub(ended).Round(100 * time.Millisecond).String()
	}
	kept := 0
	for _, n := range t.told {
		kept += n
	}
	fmt.Fprintf(out, "%s\t%v\t%d\t%d\t%s\t%v\t%d\t%d\t%d\n", f.name, ended.Sub(began).Round(100*time.Millisecond), t.entered+kept, kept, last, f.bound(),
		t.others, live.stayed(), live.ended())
	*t = tally{}
	return nil
}

// during lets a fault begin and last, and revokes somebody in the middle of it.
func (s *scene) during(f fault, live *witnesses, began time.Time) error {
	s.excuse(f.excuses)
	if err := f.begin(s); err != nil {
		return err
	}
	if err := s.pass(f.lasting / 2); err != nil {
		return err
	}
	if err := live.revoke(began.Add(f.unnoticed)); err != nil {
		return err
	}
	if err := s.pass(f.lasting - time.Since(began)); err != nil {
		return err
	}
	if !f.unwatched {
		return nil
	}
	for _, n := range s.nodes { // the server has seen what its clients have not
		if r, err := n.p.settled(0, time.Second); err != nil || r.Sessions > 0 {
			return errors.Join(err, fmt.Errorf("%s has %d sessions whose clients are out of reach", n.kind, r.Sessions))
		}
	}
	return nil
}

// after waits until a fault that has ended is over for everybody, and judges the sockets
// that lived through it.
func (s *scene) after(f fault, live *witnesses, ended time.Time) error {
	for done := false; !done; {
		if err := s.pass(200 * time.Millisecond); err != nil {
			return err
		}
		s.mu.Lock()
		quiet := time.Since(s.tally.last) > 2*time.Second && time.Since(ended) > 2*time.Second
		s.mu.Unlock()
		done = quiet && live.asTheyShould() == nil || time.Since(ended) > f.bound()+5*time.Second
	}
	s.excuseUntil(f.excuses, time.Now().Add(-time.Hour)) // that is over
	if err := live.asTheyShould(); err != nil {
		return err
	}
	if err := live.inTime(ended); err != nil {
		return err
	}
	live.forbid(time.Now())
	return s.pass(time.Second)
}
