package engine

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/flood"
)

// phase is how far a session has come.
type phase uint8

const (
	opening phase = iota // the library has not yet answered the handshake
	live                 // packets pass
	ending               // the goodbye is on its way, and the library is reading to its end
	gone                 // neither the client nor the library will be heard of again
)

// Session is one Engine.IO session: a client, over polling or a websocket. Its
// methods may be called from any goroutine, hooks included; none of them waits
// for the client or the library.
type Session struct {
	server  *Server
	request *http.Request
	value   any
	base64  bool // the client's polling cannot take binary

	mu     sync.Mutex      // guards everything below
	ctx    context.Context // made when it is first asked for, with cancel
	cancel context.CancelCauseFunc
	cond   sync.Cond // of mu: inbound was added or taken, or the phase changed
	id     string
	phase  phase
	reason string
	root   Verdict
	opened bool     // Opened was called
	spaces []*space // few: see Config.MaxNamespaces
	acks   map[uint64]ownAck
	ownIDs uint64

	in       inbound
	out      outbound
	link     link
	calls    []func()
	calling  bool
	deciding int         // Connect hooks running
	refusals int         // namespaces refused so far
	unproven int         // namespaces left that were never open
	attempts int         // "authenticate" events waiting for their hook
	idle     flood.Burst // of a client that is let in nowhere
	posts    int         // POSTs under way

	timer      *time.Timer
	created    time.Time
	lastSeen   time.Time
	lastProven time.Time // when a packet came of a client that was let in
	leftAt     time.Time // when the last namespace was left
	endedAt    time.Time
	halfOpen   bool // counted among the server's handshakes
	libClosed  bool // the library closed its side
	cutOff     bool // the client's side is finished
}

func newSession(server *Server, r *http.Request, q url.Values, value any, verdict Verdict) *Session {
	now := time.Now()
	s := &Session{
		server: server, request: detach(r), value: value, root: verdict,
		base64:  q.Get("b64") != "" || q.Get("j") != "",
		created: now, lastSeen: now, halfOpen: true,
	}
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

// ID is the session's name, which is also that of go-socket.io's Conn.
func (s *Session) ID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// Request is the handshake's request, without its body.
func (s *Session) Request() *http.Request { return s.request }

// Value is what the Handshake hook attached.
func (s *Session) Value() any { return s.value }

// Context ends with the session, whose reason is its cause. It is made when it
// is first asked for: most sessions need none, and it is not small.
func (s *Session) Context() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil {
		s.ctx, s.cancel = context.WithCancelCause(context.Background())
		if s.phase >= ending {
			s.cancel(errors.New(s.reason))
		}
	}
	return s.ctx
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.Context().Done() }

// space finds a namespace of the session's. The caller holds mu, here and in the
// two functions below.
func (s *Session) space(nsp string) *space {
	for _, sp := range s.spaces {
		if sp.name == nsp {
			return sp
		}
	}
	return nil
}

func (s *Session) drop(sp *space) {
	s.spaces = slices.DeleteFunc(s.spaces, func(other *space) bool { return other == sp })
	if sp.gate == Pending {
		s.unproven++
	}
	if len(s.spaces) == 0 && s.timer != nil {
		s.leftAt = time.Now()
		s.timer.Reset(s.server.config.HandshakeTimeout) // see tick
	}
}

// provenLocked tells whether the client is let in anywhere.
func (s *Session) provenLocked() bool {
	return slices.ContainsFunc(s.spaces, func(sp *space) bool { return sp.gate != Pending })
}

func (s *Session) names() []string {
	var names []string
	for _, sp := range s.spaces {
		names = append(names, sp.name)
	}
	return names
}

// limit is the most bytes that one message or POST body may have now.
func (s *Session) limit() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limitLocked()
}

func (s *Session) limitLocked() int {
	for _, sp := range s.spaces {
		if sp.gate == Open {
			return s.server.config.MaxMessage
		}
	}
	return s.server.config.MaxUnauthenticated
}

// established notes that the client got the handshake's answer.
func (s *Session) established() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.establishedLocked()
}

func (s *Session) establishedLocked() {
	s.lastSeen = time.Now()
	if s.halfOpen {
		s.halfOpen = false
		s.server.handshakes.Add(-1)
	}
}

// start begins the session's timekeeping.
func (s *Session) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != gone {
		s.timer = time.AfterFunc(s.server.config.HandshakeTimeout, s.tick)
	}
}

// tick is the session's only timer. It looks which deadline holds now, so that
// signs of life need not touch the timer.
func (s *Session) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.server.config
	var deadline time.Time
	var reason string
	switch {
	case s.phase == gone:
		return
	case s.phase == ending:
		deadline = s.endedAt.Add(s.goodbyeTimeLocked())
	case s.phase == opening || s.halfOpen:
		deadline, reason = s.created.Add(c.HandshakeTimeout), "handshake timeout"
	default:
		// A client that waits for the library to read is not idle.
		if s.in.waiting > 0 {
			s.lastSeen = time.Now()
		}
		deadline, reason = s.lastSeen.Add(c.PingInterval+c.PingTimeout), "ping timeout"
		// No namespace, no guard whose time runs: a client would stay unasked.
		if left := s.leftAt.Add(c.HandshakeTimeout); len(s.spaces) == 0 && left.Before(deadline) {
			deadline, reason = left, "in no namespace"
		}
	}
	if d := time.Until(deadline); d > 0 {
		s.timer.Reset(d)
		return
	}
	if s.phase == ending {
		s.cutLocked()
		return
	}
	s.endLocked(end{reason: reason, keep: true})
	s.farewellLocked()
}

// goodbyeTimeLocked is how long a goodbye may take. Over polling it waits to be
// fetched; a websocket may be writing, which has its own deadline, and is then to
// answer.
func (s *Session) goodbyeTimeLocked() time.Duration {
	c := &s.server.config
	if s.link.ws == nil && !s.link.upgrading {
		return c.CloseTimeout
	}
	return c.WriteTimeout + c.CloseTimeout
}

// post has f called after everything posted before it, in a goroutine that
// exists only while there is something to call. The caller holds mu.
func (s *Session) post(what string, f func()) {
	s.calls = append(s.calls, func() { s.server.guard(s, what, f) })
	if s.calling {
		return
	}
	s.calling = true
	s.server.tasks.Go(s.callPosted)
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
		s.server.tasks.Go(s.callPosted)
		return
	}
	s.calling = false
	if s.in.waiting > 0 {
		s.cond.Broadcast()
	}
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
		if s.in.waiting > 0 {
			s.cond.Broadcast()
		}
		s.mu.Unlock()
		call()
	}
}
