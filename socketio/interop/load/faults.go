package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/outage"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// A fault is something that goes wrong around the servers for a while.
type fault struct {
	name       string
	lasting    time.Duration // -each if zero, or if that is longer
	begin, end func(s *scene) error

	// What the honest may be told instead of being let in, and for how long after
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

// The bounds are those of docs/jwks.md and docs/sessions.md, with a second for a
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
// somebody is let in who should not be, or kept out for another reason or for
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
	s, err := newScene(ttl, maxStale)
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
	if f.unwatched { // but the server has
		for _, n := range s.nodes {
			if r, err := n.p.settled(0, time.Second); err != nil || r.Sessions > 0 {
				return errors.Join(err, fmt.Errorf("%s has %d sessions whose clients are out of reach", n.kind, r.Sessions))
			}
		}
	}
	met = s.met() - met
	ended := time.Now()
	s.excuseUntil(f.excuses, ended)
	if err := f.end(s); err != nil {
		return err
	}
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
	if err := s.pass(time.Second); err != nil {
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

// bound is the longest of those of the reasons.
func (f fault) bound() time.Duration {
	var longest time.Duration
	for _, d := range f.excuses {
		longest = max(longest, d)
	}
	return longest
}

// scene is two servers, one of each binding, that share an issuer and a Redis.
type scene struct {
	issuer *verifiertest.Issuer
	redis  *outage.Redis
	nodes  []*node
	broken atomic.Int64 // answers of an issuer that is
	crowd
}

// node is a server, and the network between it and everything else.
type node struct {
	kind                   string
	p                      *process
	c                      client
	clients, issuer, redis *outage.Link
}

// links are those that were made.
func (n *node) links() []*outage.Link {
	return slices.DeleteFunc([]*outage.Link{n.clients, n.issuer, n.redis}, func(l *outage.Link) bool { return l == nil })
}

func newScene(ttl, maxStale time.Duration) (_ *scene, err error) {
	s := &scene{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.redis, err = outage.NewRedis(); err != nil {
		return nil, err
	}
	key := verifiertest.NewKey(verifier.ES256, "key 1")
	s.issuer = verifiertest.Serve(key)
	s.crowd = newCrowd(s.issuer, key)
	for _, kind := range []string{"gosio", "zishang"} {
		n := &node{kind: kind}
		s.nodes = append(s.nodes, n)
		if n.issuer, err = outage.NewLink(strings.Trim(strings.TrimPrefix(s.issuer.URL(), "http:"), "/")); err != nil {
			return nil, err
		}
		if n.redis, err = outage.NewLink(s.redis.Address()); err != nil {
			return nil, err
		}
		v := verification{
			Issuer: s.issuer.URL(), KeySet: "http://" + n.issuer.Address() + "/" + strings.TrimPrefix(s.issuer.JWKSURL(), s.issuer.URL()),
			TTL: ttl, MaxStale: maxStale, Redis: n.redis.Address(),
		}
		if n.p, err = start(v, kind, "handshake", "-timeout", "8s", "-ping", pings.String(), "-refusal-delay", "10ms"); err != nil {
			return nil, err
		}
		if n.clients, err = outage.NewLink(strings.TrimPrefix(n.p.url, "http://")); err != nil {
			return nil, err
		}
		n.c = client{url: "http://" + n.clients.Address(), eio: 3, in: "query"}
		if kind == "zishang" {
			n.c.eio, n.c.in = 4, "auth"
		}
		if err := s.greet(n); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// greet waits until a server lets somebody in: it has to hear from Redis first.
func (s *scene) greet(n *node) error {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := n.c.open(s.crowd.honest("first"), false)
		if err == nil {
			c.leave()
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s lets nobody in: %w", n.kind, err)
		}
	}
}

// rest measures the servers when nobody is there.
func (s *scene) rest() ([]report, error) {
	var all []report
	for _, n := range s.nodes {
		r, err := n.p.rested(15*time.Second, 500*time.Millisecond)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// met is how often a fault was met so far that nobody is told of: by a connection,
// or a request to the issuer.
func (s *scene) met() int {
	n := int(s.broken.Load())
	for _, k := range s.nodes {
		for _, l := range k.links() {
			n += l.Hindered()
		}
	}
	return n
}

func (s *scene) close() {
	for _, n := range s.nodes {
		for _, l := range n.links() {
			l.Mend()
		}
		if n.p != nil {
			n.p.stop()
		}
		for _, l := range n.links() {
			l.Close()
		}
	}
	if s.issuer != nil {
		s.issuer.Close()
	}
	if s.redis != nil {
		s.redis.Close()
	}
}

// arrivals has people come to every server, one after another, until it is
// stopped.
func (s *scene) arrivals(rate int) (stop func()) {
	done := make(chan struct{})
	for _, n := range s.nodes {
		s.tasks.Go(func() {
			tick := time.NewTicker(time.Second / time.Duration(rate))
			defer tick.Stop()
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				case <-tick.C:
				}
				if who := s.next(n, i); who != nil {
					s.tasks.Go(func() { s.come(n, who) })
				}
			}
		})
	}
	var stopped bool
	return func() {
		if !stopped {
			stopped = true
			close(done)
			s.tasks.Wait()
		}
	}
}

// begin opens the sockets that are to live through a fault: some stay, some
// expire, and some are revoked.
func (s *scene) begin(f fault) (*witnesses, error) {
	l := &witnesses{scene: s, fault: f, name: "revoked-during-" + f.name}
	for _, n := range s.nodes {
		for range 5 {
			if err := l.open(n, staying, "stays", time.Hour); err != nil {
				return l, err
			}
		}
		for range 2 {
			if err := l.open(n, expiring, "expires", max(2*time.Second, f.lasting/2)); err != nil {
				return l, err
			}
		}
		if err := l.open(n, revoked, l.name, time.Hour); err != nil {
			return l, err
		}
	}
	return l, nil
}

// inTime says whether those who had to go went when they had to.
func (l *witnesses) inTime(over time.Time) error {
	f := l.fault
	if f.unwatched {
		return nil
	}
	const slack = 2 * time.Second
	for _, x := range l.all {
		due := x.exp
		if x.fate == revoked {
			due = l.revokedAt
			if f.late && x.node != l.scene.nodes[f.revokesAt] && over.After(due) {
				due = over.Add(f.bound())
			}
			if x.endedAt().Before(l.revokedAt.Add(-slack)) {
				return fmt.Errorf("%s: a socket ended before it was revoked: %w", x.node.kind, x.err)
			}
		}
		if x.fate == staying || due.IsZero() {
			continue
		}
		if at := x.endedAt(); at.After(due.Add(slack)) || x.fate == expiring && at.Before(due.Add(-slack)) {
			return fmt.Errorf("%s: a socket that was to be %s at %v ended at %v", x.node.kind, x.fate, due.Format(clock), at.Format(clock))
		}
	}
	return nil
}

const clock = "15:04:05.000"

// asTheyShould says whether those who had to go are gone and the others are here.
func (l *witnesses) asTheyShould() error {
	for _, x := range l.all {
		gone := !x.endedAt().IsZero()
		if want := x.fate != staying || l.fault.loses; gone != want {
			why := errors.New("it goes on")
			if gone {
				why = x.err
			}
			return fmt.Errorf("%s: a socket that is %s: %w", x.node.kind, x.fate, why)
		}
	}
	return nil
}

func (l *witnesses) stayed() int {
	return len(l.all) - l.ended()
}

func (l *witnesses) ended() int {
	return len(slices.DeleteFunc(slices.Clone(l.all), func(x *witness) bool { return x.endedAt().IsZero() }))
}
