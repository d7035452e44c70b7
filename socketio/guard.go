package socketio

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// state is the authentication state of a guarded socket. It only moves forward.
type state uint8

const (
	pending       state = iota // may authenticate; nothing else passes, unless it is a guest
	authenticated              // has a session
	closed
)

// Guard is the state machine of one socket in one namespace. A binding creates it with
// [Authorizer.Attach] and tells it what happens to the socket.
type Guard struct {
	a         *Authorizer
	socket    Socket
	handshake *verifier.Handshake // of the connection; never nil

	notices notifications // calls of callbacks that are due

	// mu guards the rest. It is taken before the locks of the registry, of waiting
	// and of the session. No callback runs while it is held.
	mu       sync.Mutex
	state    state
	working  bool // whether a goroutine is at the queue
	failures int  // in a row
	session  *Session
	queue    []any                   // arguments of "authenticate" not yet looked at
	cancel   context.CancelCauseFunc // of the verification in progress, if any
	place    *list.Element           // among those that wait to authenticate, nil if it never did
	timer    *time.Timer             // the only one; nil when nothing is due
	lifetime
}

// Attach guards a socket that now exists, in the namespace of its handshake. p is what
// [Authorizer.Admit] returned for it. A socket with a pass is authenticated at once. A
// guest is opened. Any other socket waits to authenticate, and its deadline runs. The
// functions of [OnSuccess] run in a separate goroutine.
//
// Attach fails closed: it closes the socket at once if the handshake is nil, or if the
// pass was used before or comes from another authorizer.
func (a *Authorizer) Attach(socket Socket, h *verifier.Handshake, p *Pass) *Guard {
	g := &Guard{a: a, socket: socket, handshake: h}
	if refusal := g.unusable(p); refusal != nil {
		a.logger.Error("socketio: Attach: a socket is closed", "error", refusal)
		g.kick(refusal)
		return g
	}
	switch {
	case p != nil:
		// The token may have expired or been revoked since Admit.
		ok, err := g.authenticate(p)
		g.notify()
		if err != nil {
			g.kickLater(err)
		} else if ok {
			socket.Open("")
			g.async(g.succeed)
		}
	case a.optional:
		socket.Open("")
	default:
		g.mu.Lock()
		g.lifetime = deadline(a.timeout)
		g.schedule(a.times())
		var dropOldest func()
		g.place, dropOldest = a.waiting.add(func() { g.kickLater(errTooManyPending) }, a.maxPending)
		g.mu.Unlock()
		if dropOldest != nil {
			dropOldest()
		}
	}
	return g
}

// unusable returns the reason why Attach cannot guard the socket. It then also fills in
// what the guard needs to close the socket.
func (g *Guard) unusable(p *Pass) *verifier.UnauthorizedError {
	why := ""
	if isNil(g.socket) {
		g.socket, why = noSocket{}, "the socket is nil"
	}
	if g.handshake == nil {
		g.handshake, why = &verifier.Handshake{Namespace: "/"}, "the handshake is nil"
	}
	if p != nil && (p.rules != &g.a.sessionRules || p.token == nil) {
		why = "the pass is another authorizer's"
	} else if p != nil && p.used.Swap(true) {
		why = "the pass was used before"
	}
	if why == "" {
		return nil
	}
	return serverError(misuse(why))
}

// noSocket takes the place of a nil socket.
type noSocket struct{}

func (noSocket) ID() string                   { return "" }
func (noSocket) Emit(string, func(), ...any)  {}
func (noSocket) Open(string)                  {}
func (noSocket) Authenticated(*Session) error { return nil }
func (noSocket) Close(error, string, ...any)  {}

// async runs f in a separate goroutine. A panic ends this one socket.
func (g *Guard) async(f func()) {
	go func() {
		defer g.rescue()
		f()
	}()
}

// rescue ends the socket if its goroutine or timer panics. It is deferred.
func (g *Guard) rescue() {
	r := recover()
	if r == nil {
		return
	}
	refusal := g.a.panicked("a goroutine of a socket", r)
	g.a.guarded("closing a socket", func() { g.kick(refusal) })
}

// Session returns the socket's session. It is nil before the socket has authenticated,
// and from the moment of its end.
func (g *Guard) Session() *Session {
	now := g.a.times()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state != authenticated {
		return nil
	}
	if g.over(now) { // the timer is late, or the clock was set
		g.timer.Reset(0)
		return nil
	}
	return g.session
}

// The methods of owner, which sessions call.
func (g *Guard) id() string { return g.socket.ID() }

func (g *Guard) endsAt() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ends
}

func (g *Guard) live(s *Session) bool { return g.Session() == s }

func (g *Guard) silent(ctx context.Context) bool {
	l, ok := g.socket.(Liveness)
	if !ok {
		return false
	}
	alive, returned := bounded(g.a, ctx, func() (alive bool) {
		alive = true
		g.a.guarded("Liveness", func() { alive = l.Alive(ctx) })
		return alive
	})
	return returned && !alive
}

// current returns the session, whether or not its time is up.
func (g *Guard) current() *Session {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.session
}

// Authenticate takes the argument of an "authenticate" event, as encoding/json decodes
// it into an any. It does not block: the guard emits the answer later. The guard
// verifies one attempt at a time, in order. It disconnects a socket without a session
// that sends more than [MaxAttempts] at once. Of several renewals that wait for the one
// in progress, it keeps only the last one.
func (g *Guard) Authenticate(data any) {
	g.mu.Lock()
	if g.state == closed {
		g.mu.Unlock()
		return
	}
	if len(g.queue) >= g.a.maxAttempts {
		if g.state != authenticated {
			g.mu.Unlock()
			g.kick(errTooManyAttempts)
			return
		}
		// The issuer is slow. That does not end a session; only the last renewal counts.
		g.queue = g.queue[:0]
	}
	if data == nil {
		data = map[string]any{} // an empty attempt, not a handshake without a payload
	}
	g.queue = append(g.queue, data)
	start := !g.working
	g.working = true
	g.mu.Unlock()
	if start {
		g.async(g.work)
	}
}

// Closed tells the guard that the socket is gone, for any reason. It may be called more
// than once.
func (g *Guard) Closed() {
	g.end(ErrDisconnected, nil, nil)
	g.notify()
}

// Notified calls f after the callbacks that are due, in the goroutine that runs them.
// With it a binding tells the application of a socket's end after the other callbacks.
func (g *Guard) Notified(f func()) {
	g.notices.add(f)
	g.notify()
}
