package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/flood"
)

// Session is one Engine.IO session: a client, over polling or a websocket. Its
// methods may be called from any goroutine; none of them waits for the client or
// the library.
type Session struct {
	server  *Server
	dialect *dialect
	request *http.Request
	id      string
	text    textEncoding
	base64  bool // the client's polling cannot take binary
	created time.Time

	mu     sync.Mutex // guards everything below
	value  any
	ctx    context.Context // made when it is first asked for, with cancel
	cancel context.CancelCauseFunc
	cond   sync.Cond // of mu: see receive, attach and nextDelivery
	state  state
	reason string
	stays  []*Stay // few: see Config.MaxNamespaces
	acks   map[uint64]ownAck
	ownIDs uint64

	in        inbound
	out       outbound
	link      link
	calls     []func()
	calling   bool
	deciding  int         // calls of Library.Decide in progress
	refusals  int         // namespaces refused so far
	refusedIn []string    // their names, of Engine.IO 3
	unproven  int         // namespaces left that were never open
	attempts  int         // "authenticate" events that wait for the library
	idle      flood.Burst // of an unauthenticated client
	posts     int         // POSTs in progress

	timer      *time.Timer
	lastSeen   time.Time
	heard      chan struct{} // closed at the next sign of life, if Alive waits for one
	lastPing   time.Time     // when the server pinged last
	lastProven time.Time     // when a packet came of a client that was accepted
	leftAt     time.Time     // when the last namespace was left
	endedAt    time.Time
	last       []message // what is said at the very end
	refusal    *Refusal  // of a handshake that was refused
	held       bool      // counted among the server's refused, until it is closed
	final      bool      // nothing more will be queued for the client
	brief      bool      // there is no time for the client to answer the last packets
	halfOpen   bool      // in no namespace, yet to show that it got OPEN, or ending unproven; counted among the server's handshakes
	cutOff     bool      // the client's side is finished
	late       bool      // the timer fires later than it should, since a decision was awaited
}

func newSession(server *Server, d *dialect, r *http.Request, q url.Values) *Session {
	now := time.Now()
	s := &Session{
		server: server, dialect: d, request: detach(r), id: rand.Text(), // 130 bits: it is all that a polling client shows
		base64: q.Get("b64") != "" || q.Get("j") != "",
		state:  connected, created: now, lastSeen: now, lastPing: now, halfOpen: true,
	}
	s.text.begin(r, s.base64)
	s.cond.L = &s.mu
	return s
}

// detach copies what stays readable of a request when its handler has returned:
// not the body, which holds on to the connection's buffers, nor the end of its
// context.
func detach(r *http.Request) *http.Request {
	c := r.WithContext(context.WithoutCancel(r.Context()))
	c.Body, c.GetBody, c.Form, c.PostForm, c.MultipartForm = http.NoBody, nil, nil, nil, nil
	return c
}

// ID returns the session's ID, which every request of the client names. It is also the
// socket ID of a client 1.x or 2.x in every namespace.
func (s *Session) ID() string { return s.id }

// Protocol is the revision of Engine.IO that the client speaks: 3 or 4.
func (s *Session) Protocol() int { return int(s.dialect.version - '0') }

// Request is the handshake's request, without its body.
func (s *Session) Request() *http.Request { return s.request }

// Transport is "polling" or "websocket": the one in use now.
func (s *Session) Transport() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link.ws != nil || !s.link.polling {
		return "websocket"
	}
	return "polling"
}

// Writable reports whether a message would be in flight to the client at once.
func (s *Session) Writable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writableLocked()
}

func (s *Session) writableLocked() bool {
	if s.state >= closing || len(s.out.queue) > 0 {
		return false
	}
	return s.link.poll != nil || s.link.ws != nil && !s.link.writing
}

// SetValue keeps a value of the library's with the session, for [Session.Value].
func (s *Session) SetValue(v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value = v
}

// Value returns what SetValue was given last.
func (s *Session) Value() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.value
}

// Context ends with the session, whose reason is its cause. It is made when it
// is first asked for: most sessions need none, and it is not small.
func (s *Session) Context() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil {
		s.ctx, s.cancel = context.WithCancelCause(context.Background())
		if s.state >= closing {
			s.cancel(errors.New(s.reason))
		}
	}
	return s.ctx
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.Context().Done() }

// stay finds the stay in a namespace. The caller holds mu, here and in the two
// functions below.
func (s *Session) stay(nsp string) *Stay {
	for _, st := range s.stays {
		if st.nsp == nsp {
			return st
		}
	}
	return nil
}

func (s *Session) drop(st *Stay) {
	s.stays = slices.DeleteFunc(s.stays, func(other *Stay) bool { return other == st })
	if s.halfOpen || s.timer == nil || s.state != connected || s.liveLocked() {
		return
	}
	s.halfOpen, s.leftAt = true, time.Now()
	wait := s.server.config.HandshakeTimeout
	if s.server.handshakes.Add(1) > int64(s.server.config.MaxHandshakes) {
		s.leftAt = s.leftAt.Add(-wait) // there is no place for it
		s.tickNow()
		return
	}
	s.timer.Reset(wait) // see tick
}

// liveLocked reports whether the client is in a namespace, or was until now and has not
// been told yet.
func (s *Session) liveLocked() bool {
	return slices.ContainsFunc(s.stays, func(st *Stay) bool { return st.state >= admitted && !st.bare })
}

// provenLocked reports whether any namespace has accepted the client.
func (s *Session) provenLocked() bool {
	return slices.ContainsFunc(s.stays, func(st *Stay) bool { return st.gate != Pending })
}

// limit is the most bytes that one message or POST body may have now.
func (s *Session) limit() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limitLocked()
}

func (s *Session) limitLocked() int {
	for _, st := range s.stays {
		if st.gate == Open {
			return s.server.config.MaxMessage
		}
	}
	return s.server.config.MaxUnauthenticated
}

// established notes that a client of Engine.IO 3 got the handshake's answer. Otherwise
// the handshake ends when the client is in a namespace.
func (s *Session) established() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heardLocked(time.Now())
	if s.dialect.entersRoot && s.liveLocked() {
		s.establishedLocked()
	}
}

func (s *Session) establishedLocked() {
	if !s.halfOpen {
		return
	}
	s.halfOpen = false
	s.server.handshakes.Add(-1)
	if c := &s.server.config; c.PingInterval < c.HandshakeTimeout && s.timer != nil && s.state == connected {
		s.tickNow() // pings are due before the handshake's deadline
	}
}

// startLocked begins the session's timekeeping.
func (s *Session) startLocked() {
	s.timer = s.server.after(s, s.server.config.HandshakeTimeout, s.tick)
}

// tickNow runs tick without the timer: the runtime looks at all timers of the process
// when one is set to fire at once.
func (s *Session) tickNow() { s.server.run(s, "timer", s.tick) }

// tick runs when the session's only timer fires. It computes the deadline that applies
// now, so that a sign of life does not have to reset the timer.
func (s *Session) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == closed:
		return
	case s.state == closing && !s.final:
		s.finishLocked() // the refusal was held long enough
		return
	case s.state == closing:
		if d := time.Until(s.endedAt.Add(s.closeTimeLocked())); d > 0 {
			s.timer.Reset(d)
			return
		}
		s.cutLocked()
		return
	}
	now := time.Now()
	deadline, reason := s.deadlineLocked(now)
	if d := deadline.Sub(now); d > 0 {
		s.late = s.deciding > 0
		s.timer.Reset(d)
		return
	}
	if reason == "" { // a ping is due
		s.pingLocked(now)
		s.timer.Reset(s.server.config.PingTimeout)
		return
	}
	// A client 1.x or 2.x that was refused in its namespace, in a root that does not
	// exist, would reconnect without end if its transport just closed.
	told := len(s.stays) == 1 && s.stays[0].bare
	s.endLocked(end{reason: reason, keep: true, tell: told})
	if !told {
		s.cutPollingLocked()
	}
}

// deadlineLocked returns the next deadline and the reason for which the session ends
// then. An empty reason means that the server pings.
func (s *Session) deadlineLocked(now time.Time) (deadline time.Time, reason string) {
	c := &s.server.config
	left := s.leftAt
	switch {
	case s.deciding > 0:
		left = now
	case left.IsZero():
		left = s.created
	}
	left = left.Add(c.HandshakeTimeout)
	if s.halfOpen && s.leftAt.IsZero() {
		return left, "handshake timeout"
	}
	// A client that waits for the library to take its packets is not idle.
	if s.in.waiting > 0 {
		s.lastSeen = now
	}
	switch {
	case !s.dialect.serverPings:
		deadline, reason = s.lastSeen.Add(c.PingInterval+c.PingTimeout), "ping timeout"
	case s.lastSeen.Before(s.lastPing):
		deadline, reason = s.lastPing.Add(c.PingTimeout), "ping timeout"
	default:
		deadline = s.lastPing.Add(c.PingInterval)
	}
	// No namespace, no guard whose time runs: a client would stay unasked.
	if s.halfOpen && left.Before(deadline) {
		deadline, reason = left, "in no namespace"
	}
	return deadline, reason
}

// closeTimeLocked is how long the last packets may take. Over polling the client
// fetches them; over a websocket the server writes them, with a deadline, and the
// client answers.
func (s *Session) closeTimeLocked() time.Duration {
	c := &s.server.config
	if s.link.ws == nil && !s.link.upgrading {
		return c.CloseTimeout
	}
	return c.WriteTimeout + c.CloseTimeout
}

// post queues a call of f, behind those posted before. One goroutine calls them; it
// exists only while the queue is not empty. The caller holds mu.
func (s *Session) post(what string, f func()) {
	s.calls = append(s.calls, func() { s.server.guard(s, what, f) })
	if s.calling {
		return
	}
	s.calling = true
	s.server.run(s, "calls", s.callPosted)
}

// first calls f in this goroutine, before everything that is posted meanwhile.
// Nothing was posted before. The caller holds mu, which is not held during the
// call.
func (s *Session) first(what string, f func()) {
	s.calling = true
	s.mu.Unlock()
	s.server.guard(s, what, f)
	s.mu.Lock()
	if len(s.calls) > 0 {
		s.server.run(s, "calls", s.callPosted)
		return
	}
	s.calling = false
}

// callPosted is the goroutine of what was posted.
func (s *Session) callPosted() {
	for {
		s.mu.Lock()
		if len(s.calls) == 0 {
			s.calling, s.calls = false, nil
			s.mu.Unlock()
			return
		}
		call := s.calls[0]
		s.calls = s.calls[1:]
		s.cond.Broadcast()
		s.mu.Unlock()
		call()
	}
}
