package socketio_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// The model-based test drives a few sockets through random sequences of events
// and holds what must be true of them at any time, by its own reckoning: it knows
// each token's exp, what was revoked, and what the clock says.

const (
	modelAge   = 40 * time.Second // MaxSessionAge
	modelCheck = 30 * time.Second // within which a clock that was set is noticed
)

type model struct {
	t       *testing.T
	r       *socketio.Registry
	a       []*socketio.Authorizer // by event, by handshake, for guests
	sockets []*modelSocket
	revoked []func(*verifier.Token) bool

	mu     sync.Mutex // guards what follows
	offset time.Duration
	jumped time.Time                  // when the clock was last set
	live   map[*socketio.Session]*one // all sessions there ever were
}

// one is a session's record.
type one struct {
	began     time.Time // by the clock
	identity  string
	successes int
	renewals  int
}

func (m *model) now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now().Add(m.offset).Round(0)
}

func newModel(t *testing.T) *model {
	m := &model{t: t, r: socketio.NewRegistry(nil), live: make(map[*socketio.Session]*one)}
	common := []socketio.Option{
		socketio.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))), socketio.WithRegistry(m.r), socketio.WithClock(m.now),
		socketio.MaxSessionAge(modelAge), socketio.SessionLimit(2, socketio.EvictOldest), socketio.MaxPending(2),
		socketio.User(func(_ context.Context, t *verifier.Token, _ *verifier.Handshake) (any, error) {
			if t.ID == "3" || t.ID == "6" {
				time.Sleep(time.Second) // in which the token may be revoked, or the socket go
			}
			return nil, nil
		}),
		socketio.OnSuccess(func(s *socketio.Session) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.record(s).successes++
		}),
		socketio.OnRenewed(func(s *socketio.Session) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.record(s).renewals++
		}),
	}
	for _, more := range [][]socketio.Option{{}, {socketio.ByHandshake(), socketio.EndOnFailedRenewal()}, {socketio.Optional(), socketio.DisconnectAfter(time.Second)}} {
		a, err := socketio.New(socketio.AuthenticatorFunc(words), append(common[:len(common):len(common)], more...)...)
		if err != nil {
			t.Fatal(err)
		}
		m.a = append(m.a, a)
	}
	return m
}

func identity(t *verifier.Token) string { return t.Issuer + " " + t.Subject }

// record returns the record of a session. The caller holds mu.
func (m *model) record(s *socketio.Session) *one {
	if m.live[s] == nil {
		m.live[s] = &one{began: time.Now().Add(m.offset).Round(0), identity: identity(s.Token())}
	}
	return m.live[s]
}

// served fails if an event passes that must not, by now plus the slack.
func (m *model) served(what string, sess *socketio.Session, slack time.Duration) {
	t := sess.Token()
	now := m.now()
	if !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt.Add(slack)) {
		m.t.Errorf("%s: an event passes %v after exp", what, now.Sub(t.ExpiresAt))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.record(sess)
	if age := now.Sub(o.began); age >= modelAge+slack {
		m.t.Errorf("%s: an event passes in a session %v old", what, age)
	}
	if identity(t) != o.identity {
		m.t.Errorf("%s: the session of %s is now that of %s", what, o.identity, identity(t))
	}
	for _, match := range m.revoked {
		if match(t) {
			m.t.Errorf("%s: an event passes with a revoked token", what)
		}
	}
}

// check holds the invariants. Everything is at rest.
func (m *model) check() {
	registered := make(map[*socketio.Session]bool)
	for s := range m.r.Sessions(socketio.Filter{}) {
		registered[s] = true
	}
	m.mu.Lock()
	slack := time.Duration(0)
	if !m.jumped.IsZero() && time.Since(m.jumped) <= modelCheck {
		slack = 1000 * time.Hour
	}
	m.mu.Unlock()
	byUser := make(map[string]int)
	for i, s := range m.sockets {
		what := fmt.Sprintf("socket %d", i)
		m.checkOut(what, s, slack)
		if sess := s.guard.Session(); sess != nil {
			m.checkIn(what, s, sess, registered[sess])
			if sess.Token().Subject != "" { // others have no limit, see SessionLimit
				byUser[identity(sess.Token())+sess.Namespace()]++
			}
		}
		m.checkTold(what, s)
	}
	for user, n := range byUser {
		if n > 2 {
			m.t.Errorf("%s has %d sessions", user, n)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.live {
		if o.successes > 1 {
			m.t.Errorf("OnSuccess ran %d times for one session", o.successes)
		}
	}
}

// checkOut: events go out to guests and sessions only.
func (m *model) checkOut(what string, s *modelSocket, slack time.Duration) {
	s.mu.Lock()
	open, begun := s.open, s.session
	s.mu.Unlock()
	if !open {
		return
	}
	if s.guard.Session() == nil && !(s.guest && begun == nil) && slack == 0 {
		m.t.Errorf("%s: events go out to a socket that has no session", what)
	}
	if begun != nil {
		m.served(what+", out", begun, slack)
	}
}

// checkIn: events of a session's client are handled while its socket is open only. It asks
// as bindings do.
func (m *model) checkIn(what string, s *modelSocket, sess *socketio.Session, registered bool) {
	if !sess.Wait() {
		m.t.Errorf("%s: the session is neither live nor dead", what)
	}
	s.mu.Lock()
	open, closed := s.open, s.closed
	s.mu.Unlock()
	if closed || !open || !registered {
		m.t.Errorf("%s: a session without a socket (closed %v, open %v, registered %v)", what, closed, open, registered)
	}
	m.served(what+", in", sess, 0)
}

// checkTold: a socket hears of its beginning and its end once.
func (m *model) checkTold(what string, s *modelSocket) {
	s.mu.Lock()
	closed, ending, notices, handled, begun := s.closed, s.ending, s.notices, s.handled, s.session
	s.mu.Unlock()
	if ending > 1 || handled > 1 {
		m.t.Errorf("%s: told of its end %d times, of its beginning %d times", what, ending, handled)
	}
	if begun == nil {
		return
	}
	if closed && context.Cause(begun.Context()) == nil {
		m.t.Errorf("%s: the socket is closed and the session is not", what)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if tokens := 1 + m.record(begun).renewals; notices > tokens {
		m.t.Errorf("%s: %d notices for %d tokens: more than one timer", what, notices, tokens)
	}
}

// attach opens a socket at the authorizer.
func (m *model) attach(which int, word string) {
	a := m.a[which%len(m.a)]
	s := &modelSocket{m: m, guest: which%len(m.a) == 2, h: withToken("/", word)}
	var p *socketio.Pass
	if which%len(m.a) == 1 {
		var err error
		if p, err = a.Admit(m.t.Context(), s.h); err != nil {
			return
		}
	}
	s.guard = a.Attach(s, s.h, p)
	m.sockets = append(m.sockets, s)
}

// do is one event, by three bytes.
func (m *model) do(op, x, y byte) {
	word := fmt.Sprintf("%s iss=%s jti=%d exp=%g iat=%d in=%g",
		[]string{"alice", "alice", "alice", "bob", "nobody", "forged", "outage"}[int(x)%7], []string{"i", "i", "j"}[int(y)%3],
		x%16, float64(y%16)*2.5+0.5, -int(y%4), []float64{0, 0, 0.5, 3}[int(x)/16%4])
	if op%16 == 0 || len(m.sockets) == 0 {
		if len(m.sockets) < 6 {
			m.attach(int(x), word)
		}
		return
	}
	s := m.sockets[int(x)%len(m.sockets)]
	switch op %= 16; {
	case op <= 5:
		s.guard.Authenticate(token(word))
	case op <= 9:
		time.Sleep(time.Duration(y) * 50 * time.Millisecond)
	default:
		modelEvents[op-10](m, s, word, y)
	}
}

// modelEvents are what happens to a socket less often than a token and a pause.
var modelEvents = [6]func(m *model, s *modelSocket, word string, y byte){
	func(_ *model, s *modelSocket, _ string, _ byte) { s.gone() },
	func(m *model, _ *modelSocket, _ string, y byte) { m.revoke(y) },
	func(_ *model, s *modelSocket, _ string, _ byte) {
		if sess := s.guard.Session(); sess != nil {
			sess.End(nil)
		}
	},
	func(m *model, _ *modelSocket, _ string, y byte) { // the clock is set
		m.mu.Lock()
		m.offset += time.Duration(int(y)-128) * 100 * time.Millisecond
		m.jumped = time.Now()
		m.mu.Unlock()
	},
	func(_ *model, s *modelSocket, _ string, _ byte) { // the client acknowledges all it was sent
		s.mu.Lock()
		acks := s.acks
		s.mu.Unlock()
		for _, ack := range acks {
			ack()
		}
	},
	func(_ *model, s *modelSocket, word string, y byte) { // several at once
		go s.guard.Authenticate(token(word))
		go s.guard.Authenticate(token("alice iss=i exp=5"))
		go s.guard.Session()
		if y%4 == 0 {
			go s.gone()
		}
	},
}

func (m *model) revoke(y byte) {
	v := []socketio.Revocation{
		{Subject: "alice", Issuer: "i", IssuedBefore: time.Now().Add(-time.Duration(y%4) * time.Second)},
		{TokenID: fmt.Sprint(y % 16)}, {Issuer: "j"}, {Subject: "bob"},
	}[int(y)/16%4]
	if y >= 128 { // rarely for good
		v.Expires = time.Now().Add(time.Second)
	}
	if err := m.r.Revoke(m.t.Context(), v); err != nil {
		m.t.Fatal(err)
	}
	until := v.Expires
	m.revoked = append(m.revoked, func(t *verifier.Token) bool {
		return (until.IsZero() || time.Now().Before(until)) && (v.Issuer == "" || v.Issuer == t.Issuer) && (v.Subject == "" || v.Subject == t.Subject) &&
			(v.TokenID == "" || v.TokenID == t.ID) && (v.IssuedBefore.IsZero() || t.IssuedAt.Before(v.IssuedBefore))
	})
}

func (m *model) run(script []byte) {
	for len(script) >= 3 && !m.t.Failed() {
		m.do(script[0], script[1], script[2])
		script = script[3:]
		synctest.Wait()
		m.check()
	}
	// Every session ends, and every socket that has not become a guest.
	time.Sleep(modelAge + modelCheck + 30*time.Second)
	synctest.Wait()
	if n := m.r.Count(socketio.Filter{}); n != 0 {
		m.t.Errorf("%d sessions do not end", n)
	}
	for i, s := range m.sockets {
		s.mu.Lock()
		if !s.closed && !(s.guest && s.session == nil) {
			m.t.Errorf("socket %d does not end", i)
		}
		s.mu.Unlock()
		s.gone()
	}
	synctest.Wait()
}

// TestModel runs sequences of a fixed seed, so that it fails for everybody or
// for nobody.
func TestModel(t *testing.T) {
	sessions := 0
	for seed := range uint64(600) {
		script := make([]byte, 3*60)
		random := rand.New(rand.NewPCG(seed, 7))
		for i := range script {
			script[i] = byte(random.Uint32())
		}
		synctest.Test(t, func(t *testing.T) {
			m := newModel(t)
			m.run(script)
			sessions += len(m.live)
		})
		if t.Failed() {
			t.Fatalf("at seed %d", seed)
		}
	}
	if sessions < 1000 {
		t.Errorf("only %d sessions were had: the scripts do not do much", sessions)
	}
}

// FuzzModel is TestModel on sequences that the fuzzer generates.
func FuzzModel(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0, 15, 8, 0, 255, 1, 0, 15, 11, 0, 0})
	f.Add([]byte{0, 1, 15, 13, 0, 255, 8, 0, 200, 13, 0, 0})
	f.Add([]byte("0C10C10X0")) // three of nobody
	f.Add([]byte{0, 2, 0, 15, 0, 0, 15, 0, 1, 10, 0, 0, 12, 0, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 600 {
			script = script[:600]
		}
		synctest.Test(t, func(t *testing.T) { newModel(t).run(script) })
	})
}
