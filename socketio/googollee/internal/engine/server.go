package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/googollee/go-socket.io/engineio"
	eiotransport "github.com/googollee/go-socket.io/engineio/transport"
	"github.com/gorilla/websocket"
)

// Server is the http.Handler in front of go-socket.io's. Make one with [New],
// give [Server.Options] to go-socket.io and go-socket.io to [Server.Mount].
type Server struct {
	config     Config
	hooks      Hooks
	upgrader   websocket.Upgrader
	library    http.Handler
	tasks      sync.WaitGroup // every goroutine of a session's
	handshakes atomic.Int64   // clients between their request and the first sign of life after it

	mu       sync.Mutex // guards the rest
	sessions map[*Session]struct{}
	byID     map[string]*Session
	draining bool
	drained  chan struct{} // closed when draining and without sessions
}

// New makes a server. It fails if config makes no sense.
func New(config Config, hooks Hooks) (*Server, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	if hooks.Handshake == nil {
		return nil, errors.New("engine: Hooks.Handshake is nil: expected the decision about the root namespace")
	}
	return &Server{
		config: config,
		hooks:  hooks,
		upgrader: websocket.Upgrader{
			HandshakeTimeout: config.WriteTimeout,
			ReadBufferSize:   256,
			WriteBufferSize:  4096,
			WriteBufferPool:  new(sync.Pool),
			// The origin was checked before.
			CheckOrigin: func(*http.Request) bool { return true },
		},
		sessions: make(map[*Session]struct{}),
		byID:     make(map[string]*Session),
		drained:  make(chan struct{}),
	}, nil
}

// Options is what go-socket.io's NewServer must be given.
func (e *Server) Options() *engineio.Options {
	return &engineio.Options{
		PingInterval:       e.config.PingInterval,
		PingTimeout:        e.config.PingTimeout,
		Transports:         []eiotransport.Transport{libraryTransport{"polling"}, libraryTransport{"websocket"}},
		SessionIDGenerator: randomID{},
	}
}

// Mount sets go-socket.io's handler. It must be called before the first request.
func (e *Server) Mount(library http.Handler) { e.library = library }

// randomID names sessions: the id is all that a polling client shows of itself.
type randomID struct{}

func (randomID) NewID() string { return rand.Text() } // 130 bits

// The errors of the Engine.IO protocol, in its words.
type protocolError struct {
	status  int
	code    int
	message string
}

var (
	errTransport   = protocolError{http.StatusBadRequest, 0, "Transport unknown"}
	errSession     = protocolError{http.StatusBadRequest, 1, "Session ID unknown"}
	errMethod      = protocolError{http.StatusBadRequest, 2, "Bad handshake method"}
	errBadRequest  = protocolError{http.StatusBadRequest, 3, "Bad request"}
	errForbidden   = protocolError{http.StatusForbidden, 4, "Forbidden"}
	errVersion     = protocolError{http.StatusBadRequest, 5, "Unsupported protocol version"}
	errUnavailable = protocolError{http.StatusServiceUnavailable, 3, "Service unavailable"}
)

func writeError(w http.ResponseWriter, e protocolError) {
	w.Header().Set("Content-Type", "application/json")
	if e.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(e.status)
	fmt.Fprintf(w, `{"code":%d,"message":%q}`, e.code, e.message)
}

// ServeHTTP serves every request of the clients.
func (e *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		// Also for a body that nobody wants: net/http reads on in it when the
		// handler has returned. readBody lifts it when it has all.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(e.config.ReadTimeout))
	}
	if !e.config.CheckOrigin(r) {
		writeError(w, errForbidden)
		return
	}
	allowOrigin(w, r)
	if r.Method == http.MethodOptions {
		preflight(w, r)
		return
	}
	q := r.URL.Query()
	transport, sid := q.Get("transport"), q.Get("sid")
	switch {
	case q.Get("EIO") != "3":
		writeError(w, errVersion)
	case transport != "polling" && transport != "websocket":
		writeError(w, errTransport)
	case len(q.Get("j")) > 9 || countDigits([]byte(q.Get("j"))) != len(q.Get("j")):
		writeError(w, errBadRequest) // it would become code of the page's
	case sid == "" && r.Method != http.MethodGet:
		writeError(w, errMethod)
	case sid == "":
		e.serveHandshake(w, r, q)
	default:
		e.serveSession(w, r, transport, e.Session(sid))
	}
}

// serveSession serves a request that names a session.
func (e *Server) serveSession(w http.ResponseWriter, r *http.Request, transport string, s *Session) {
	switch {
	case s == nil && transport == "polling" && r.Method == http.MethodPost:
		// A client that was refused, or whose session has just ended, says
		// goodbye to an id that is not there any more. That is no error.
		if body, _, err := readBody(w, r, 16); err == nil && isGoodbye(body) {
			writeOK(w)
			return
		}
		writeError(w, errSession)
	case s == nil:
		writeError(w, errSession)
	case transport == "websocket":
		s.serveUpgrade(w, r)
	case r.Method == http.MethodGet:
		s.established()
		s.servePoll(w, r)
	case r.Method == http.MethodPost:
		s.servePost(w, r)
	default:
		writeError(w, errBadRequest)
	}
}

type handshakeKey struct{}

// handshake carries a session through go-socket.io's handler.
type handshake struct {
	session  *Session
	accepted bool
}

// serveHandshake decides about a new client and, if it may, has go-socket.io
// make a session of it.
func (e *Server) serveHandshake(w http.ResponseWriter, r *http.Request, q url.Values) {
	if e.isDraining() {
		writeError(w, errUnavailable)
		return
	}
	if e.handshakes.Add(1) > int64(e.config.MaxHandshakes) {
		e.handshakes.Add(-1)
		writeError(w, errUnavailable)
		return
	}
	var verdict Verdict
	var value any
	e.guard(nil, "Handshake", func() { verdict, value = e.hooks.Handshake(r) })
	if !verdict.admitted {
		e.handshakes.Add(-1)
		e.refuse(w, r, q, verdict.refusal)
		return
	}
	var ws *wsConn
	if q.Get("transport") == "websocket" {
		var err error
		if ws, err = e.accept(w, r, q.Get("b64") != ""); err != nil {
			e.handshakes.Add(-1)
			return // the upgrader has answered
		}
	}
	s := newSession(e, r, q, value, verdict)
	s.link.polling = ws == nil
	if !e.add(s) || !e.enterLibrary(s, r) {
		s.fail("handshake failed")
		s.mu.Lock()
		s.libClosed = true // it never had it
		s.cutLocked()
		s.goneLocked()
		s.mu.Unlock()
		if ws != nil {
			_ = ws.out.uncork() // the client learns that there is no more to come
			ws.conn.Close()
			return
		}
		writeError(w, errUnavailable)
		return
	}
	s.start()
	if ws != nil {
		s.attach(ws)
		return
	}
	s.servePoll(w, r)
}

// enterLibrary gives the handshake to go-socket.io, whose answer is of no
// interest: ours waits in the session's queue.
func (e *Server) enterLibrary(s *Session, r *http.Request) bool {
	h := &handshake{session: s}
	e.guard(s, "go-socket.io", func() {
		e.library.ServeHTTP(discard{}, r.WithContext(context.WithValue(r.Context(), handshakeKey{}, h)))
	})
	return h.accepted
}

// discard is a ResponseWriter for nobody.
type discard struct{}

func (discard) Header() http.Header         { return make(http.Header) }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

// libraryOpened takes the library's OPEN packet: the session has its name, and
// begins for the hooks. The library goes on when Opened has returned.
func (s *Session) libraryOpened(b []byte) {
	s.mu.Lock()
	if s.phase != opening {
		s.mu.Unlock()
		return
	}
	s.openLocked(b)
	s.opened = true
	sp := &space{name: root, gate: s.root.gate, admitted: true, known: true}
	s.spaces = append(s.spaces, sp)
	s.in.handling = &Handling{session: s, space: sp} // of the library's connect handler
	s.server.mu.Lock()
	s.server.byID[s.id] = s
	s.server.mu.Unlock()
	s.first("Opened", func() {
		if f := s.server.hooks.Opened; f != nil {
			f(s)
		}
	})
	s.mu.Unlock()
}

func (e *Server) add(s *Session) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.draining {
		return false
	}
	e.sessions[s] = struct{}{}
	return true
}

// remove forgets a session. The caller holds the session's lock.
func (e *Server) remove(s *Session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.sessions, s)
	if e.byID[s.id] == s {
		delete(e.byID, s.id)
	}
	e.checkDrained()
}

// Session returns the session with an id, which is that of go-socket.io's Conn,
// or nil. It is found from Opened on, until both the client and the library are
// done with it.
func (e *Server) Session(id string) *Session {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.byID[id]
}

// Count is the number of sessions, those included that are saying goodbye.
func (e *Server) Count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.sessions)
}

func (e *Server) isDraining() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.draining
}

func (e *Server) checkDrained() {
	if e.draining && len(e.sessions) == 0 {
		select {
		case <-e.drained:
		default:
			close(e.drained)
		}
	}
}

// Shutdown refuses new clients with 503, ends all sessions as [Session.End] does
// with r, and waits until nothing is left of them, here and in go-socket.io,
// whose server may then be closed. If ctx ends before, its error is returned.
func (e *Server) Shutdown(ctx context.Context, r *Refusal) error {
	e.mu.Lock()
	e.draining = true
	e.checkDrained()
	all := make([]*Session, 0, len(e.sessions))
	for s := range e.sessions {
		all = append(all, s)
	}
	e.mu.Unlock()
	for _, s := range all {
		s.End("server shutting down", r)
	}
	done := make(chan struct{})
	go func() {
		<-e.drained
		e.tasks.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("engine: %d sessions are left: %w", e.Count(), ctx.Err())
	}
}

// guard calls a function that is not ours. Its panic is logged, and ends the
// session it concerns.
func (e *Server) guard(s *Session, what string, f func()) {
	defer func() {
		if p := recover(); p != nil {
			e.config.Logger.Error("a hook panicked", "hook", what, "panic", p, "stack", string(debug.Stack()))
			if s != nil {
				s.fail("internal error")
			}
		}
	}()
	f()
}

var _ io.Reader = (*libraryReader)(nil)
