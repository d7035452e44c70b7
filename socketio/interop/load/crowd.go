package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// people come with tokens of one kind, again and again.
type people struct {
	name  string
	token func() string
	node  *node     // where they go; nil is everywhere
	enter bool      // they must be accepted; the others must not
	from  time.Time // when that holds: before, either is right
}

// crowd is who comes, and how they fared.
type crowd struct {
	issuer *verifiertest.Issuer
	tasks  *sync.WaitGroup
	mu     *sync.Mutex // guards the rest

	key     *verifiertest.Key // that honest tokens are signed with
	keys    int
	people  []*people
	excuses map[string]window
	tally   tally
	failed  error
}

// window is when somebody honest may be kept out.
type window struct{ from, until time.Time } // zero is open

// tally counts the people who connected during one fault, by outcome.
type tally struct {
	entered int            // of the honest
	told    map[string]int // those of them who were kept out, by what they were told
	last    time.Time      // when the last of these came
	others  int
}

func (t *tally) keptOut(told string) {
	if t.told == nil {
		t.told = make(map[string]int)
	}
	t.told[told]++
}

func newCrowd(issuer *verifiertest.Issuer, key *verifiertest.Key) crowd {
	c := crowd{issuer: issuer, tasks: new(sync.WaitGroup), mu: new(sync.Mutex), key: key, keys: 1, excuses: make(map[string]window)}
	forger := verifiertest.NewKey(verifier.ES256, key.ID())
	with := func(claims verifiertest.Claims) func() string {
		all := verifiertest.Claims{"sub": "mallory", "aud": audience}
		for name, value := range claims {
			all[name] = value
		}
		return func() string { return issuer.TokenBy(key, nil, all) }
	}
	by := func(header verifiertest.Claims) string {
		return issuer.TokenBy(forger, header, verifiertest.Claims{"sub": "mallory", "aud": audience})
	}
	c.people = []*people{
		{name: "those with a token of key 1", token: c.tokens(key), enter: true},
		{name: "those with an expired token", token: with(verifiertest.Claims{"exp": time.Now().Add(-time.Hour).Unix()})},
		{name: "those with a token for others", token: with(verifiertest.Claims{"aud": "mail"})},
		{name: "those with a forged token", token: func() string { return by(nil) }},
		{name: "those with a token of an unknown key", token: func() string { return by(verifiertest.Claims{"kid": rand.Text()}) }},
		{name: "those without a token", token: func() string { return "" }},
	}
	return c
}

func (c *crowd) tokens(key *verifiertest.Key) func() string {
	return func() string {
		return c.issuer.TokenBy(key, nil, verifiertest.Claims{"sub": "alice", "aud": audience, "exp": time.Now().Add(time.Hour).Unix()})
	}
}

// honest mints a token that must be accepted.
func (c *crowd) honest(subject string) string { return c.lasting(subject, time.Now().Add(time.Hour)) }

func (c *crowd) lasting(subject string, exp time.Time) string {
	c.mu.Lock()
	key := c.key
	c.mu.Unlock()
	return c.issuer.TokenBy(key, nil, verifiertest.Claims{"sub": subject, "aud": audience, "exp": exp.Unix()})
}

// rotate has the issuer sign with another key from now on, and withdraw the one
// before.
func (c *crowd) rotate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.key
	c.keys++
	c.key = verifiertest.NewKey(verifier.ES256, fmt.Sprint("key ", c.keys))
	c.issuer.Rotate(c.key)
	c.issuer.Withdraw(old.ID())
	for i, p := range c.people {
		if p.enter {
			// In an outage it is used on; how long is told by the live sockets.
			c.people[i] = &people{name: p.name, token: p.token, from: time.Now().Add(24 * time.Hour)}
		}
	}
	c.people = append(c.people, &people{name: "those with a token of " + c.key.ID(), token: c.tokens(c.key), enter: true})
}

// next is who comes to a server now: every second one is honest.
func (c *crowd) next(n *node, i int) *people {
	c.mu.Lock()
	defer c.mu.Unlock()
	here := slices.DeleteFunc(slices.Clone(c.people), func(p *people) bool { return p.enter != (i%2 == 0) || p.node != nil && p.node != n })
	if len(here) == 0 {
		return nil
	}
	return here[i/2%len(here)]
}

// longWait is one that is as bad as to be kept out.
const longWait = 2 * time.Second

// reason finds why somebody was refused.
var reason = regexp.MustCompile(`"reason":"(\w+)"`)

// come tries to connect, and judges the result.
func (c *crowd) come(n *node, who *people) {
	a := arrival{node: n, people: who, began: time.Now()}
	var conn *connection
	conn, a.err = n.c.open(who.token(), false)
	a.ended = time.Now()
	if conn != nil {
		conn.leave()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	told := c.toldLocked(&a)
	w, excused := c.excuses[told]
	excused = excused && a.ended.After(w.from) && (w.until.IsZero() || a.began.Before(w.until))
	if who.enter {
		c.judgeHonestLocked(&a, told, excused)
		return
	}
	if a.err == nil && !a.began.Before(who.from) {
		c.failLocked(fmt.Errorf("%s: %s were accepted between %s and %s", n.kind, who.name, a.began.Format(clock), a.ended.Format(clock)))
		return
	}
	c.tally.others++
}

// arrival is one attempt to get in.
type arrival struct {
	*node
	*people
	began, ended time.Time
	err          error
}

// toldLocked is why somebody was refused, or what stands for the network.
func (c *crowd) toldLocked(a *arrival) string {
	if a.c.eio == 4 && websocket.IsCloseError(a.err, websocket.CloseNormalClosure) {
		// A client 4.x hears no reason for a retryable refusal: its connection ends,
		// and it comes back by itself.
		for _, r := range []string{noKeys, noRevocations} {
			if _, ok := c.excuses[r]; ok {
				return r
			}
		}
	}
	if errors.Is(a.err, errRefused) {
		return told(a.err)
	}
	return noNetwork
}

// judgeHonestLocked judges the result of an attempt that must succeed, unless a fault
// excuses its failure.
func (c *crowd) judgeHonestLocked(a *arrival, told string, excused bool) {
	late := a.ended.Sub(a.began) > longWait
	switch {
	case a.err == nil && !late:
		c.tally.entered++
	case excused: // told stands for the network if it was accepted late
		c.tally.keptOut(told)
		if a.err != nil {
			c.tally.last = a.began
		}
	case a.err == nil:
		c.failLocked(fmt.Errorf("%s: %s had to wait for %v from %s on", a.kind, a.name, a.ended.Sub(a.began), a.began.Format(clock)))
	default:
		c.failLocked(fmt.Errorf("%s: %s were kept out (%s) between %s and %s: %w", a.kind, a.name, told, a.began.Format(clock), a.ended.Format(clock), a.err))
	}
}

// excuse has the honest put up with being told the reasons from now on.
func (c *crowd) excuse(reasons map[string]time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for r := range reasons {
		c.excuses[r] = window{from: time.Now()}
	}
}

// excuseUntil bounds that: they may be told so after the moment for as long as the
// reason allows.
func (c *crowd) excuseUntil(reasons map[string]time.Duration, ended time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for r, bound := range reasons {
		c.excuses[r] = window{c.excuses[r].from, ended.Add(bound)}
	}
}

func (c *crowd) failLocked(err error) {
	if c.failed == nil {
		c.failed = err
	}
}

// pass lets time pass, up to the first failure.
func (c *crowd) pass(d time.Duration) error {
	for end := time.Now().Add(d); ; time.Sleep(min(100*time.Millisecond, max(0, time.Until(end)))) {
		c.mu.Lock()
		err := c.failed
		c.mu.Unlock()
		if err != nil || !time.Now().Before(end) {
			return err
		}
	}
}

// fate is the outcome that the soak expects for a live socket.
type fate string

const (
	staying  fate = "staying"
	expiring fate = "expired"
	revoked  fate = "revoked"
)

// witnesses are the sockets that live through a fault.
type witnesses struct {
	scene     *scene
	fault     fault
	name      string // of the user who is revoked
	revokedAt time.Time
	all       []*witness
	tasks     sync.WaitGroup
	stop      []context.CancelFunc
}

type witness struct {
	node *node
	fate fate
	exp  time.Time // of those who expire

	at  atomic.Int64 // when it ended
	err error        // why, set before at
}

func (x *witness) endedAt() time.Time {
	if at := x.at.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// open opens a socket that chats until it ends.
func (l *witnesses) open(n *node, as fate, subject string, lasting time.Duration) error {
	exp := time.Now().Add(lasting).Truncate(time.Second)
	s, err := n.c.open(l.scene.lasting(subject, exp), false)
	if err != nil {
		return fmt.Errorf("%s: opening a socket that will be %s: %w", n.kind, as, err)
	}
	x := &witness{node: n, fate: as}
	if as == expiring {
		x.exp = exp
	}
	l.all = append(l.all, x)
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = append(l.stop, cancel)
	l.tasks.Go(func() {
		defer s.leave()
		x.err = s.keepChatting(ctx)
		if x.err != nil {
			x.at.Store(time.Now().UnixNano())
		}
	})
	return nil
}

// keepChatting chats until ctx ends, or with an error until the socket does.
func (s *connection) keepChatting(ctx context.Context) error {
	for i := 0; ; i++ {
		if s.eio == 3 {
			if err := s.write("2"); err != nil {
				return err
			}
		}
		_ = s.SetReadDeadline(time.Now().Add(2 * patience))
		if err := s.chat(fmt.Sprint("word ", i)); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// revoke revokes a user at one server. From now on he is not accepted there, and at
// the other as soon as it may be expected to know, or to know that it does not. If
// the first cannot tell the other, it says so, and forbid will.
func (l *witnesses) revoke(unnoticed time.Time) error {
	nodes := l.scene.nodes
	here, elsewhere := nodes[l.fault.revokesAt], nodes[1-l.fault.revokesAt]
	r, err := here.p.ask("revoke " + l.name + " 1h")
	if err != nil {
		return err
	}
	if l.fault.alone != (r.Trouble != "") {
		return fmt.Errorf("revoking is answered: %q", r.Trouble)
	}
	l.revokedAt = time.Now()
	l.banned(here, l.revokedAt)
	if from := l.revokedAt; !l.fault.alone {
		if from.Before(unnoticed) {
			from = unnoticed
		}
		l.banned(elsewhere, from.Add(time.Second))
	}
	return nil
}

// forbid has the other server refuse him too, if it could not be told before.
func (l *witnesses) forbid(from time.Time) {
	if l.fault.alone {
		l.banned(l.scene.nodes[1-l.fault.revokesAt], from)
	}
}

func (l *witnesses) banned(at *node, from time.Time) {
	token := l.scene.honest(l.name)
	l.scene.mu.Lock()
	defer l.scene.mu.Unlock()
	l.scene.people = append(l.scene.people, &people{name: "those " + l.name, token: func() string { return token }, node: at, from: from})
}

// leave ends the sockets that are left.
func (l *witnesses) leave() {
	for _, stop := range l.stop {
		stop()
	}
	l.tasks.Wait()
}
