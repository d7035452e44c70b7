package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/tasks"
)

// Server is the http.Handler that clients talk to, in front of a [Library]. Make
// one with [New].
type Server struct {
	config     Config
	library    Library
	taker      Taker // the library, if it is one
	upgrader   websocket.Upgrader
	tasks      tasks.Group  // every session, and every goroutine of one's
	handshakes atomic.Int64 // clients that are in no namespace, or have not ended their handshake
	refused    atomic.Int64 // clients whose handshake was refused, until they are gone
	flusher    flusher

	mu       sync.Mutex // guards the rest
	byID     map[string]*Session
	draining bool
}

// New makes a server. It fails if config is invalid.
func New(config Config, library Library) (*Server, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	if library == nil {
		return nil, errors.New("engine: the library is nil")
	}
	taker, _ := library.(Taker)
	return &Server{
		config:  config,
		library: library,
		taker:   taker,
		upgrader: websocket.Upgrader{
			HandshakeTimeout:  config.WriteTimeout,
			ReadBufferSize:    256,
			WriteBufferSize:   4096,
			WriteBufferPool:   new(sync.Pool),
			EnableCompression: config.CompressFrom > 0,
			// The origin was checked before.
			CheckOrigin: func(*http.Request) bool { return true },
		},
		byID: make(map[string]*Session),
	}, nil
}

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
		e.config.Logger.Debug("engine: a request is refused", "reason", "its origin is not allowed", "origin", r.Header.Get("Origin"), "host", r.Host, "remote", r.RemoteAddr)
		writeError(w, errForbidden)
		return
	}
	if e.config.NoCredentials {
		r = withoutForeignCookies(r)
	}
	e.allowOrigin(w, r)
	if r.Method == http.MethodOptions {
		preflight(w, r)
		return
	}
	q := r.URL.Query()
	transport, sid, d := q.Get("transport"), q.Get("sid"), dialects[q.Get("EIO")]
	switch {
	case d == nil:
		writeError(w, errVersion)
	case !e.serves(transport):
		writeError(w, errTransport)
	case len(q.Get("j")) > 9 || countDigits([]byte(q.Get("j"))) != len(q.Get("j")):
		writeError(w, errBadRequest) // it would become code of the page's
	case sid == "" && r.Method != http.MethodGet:
		writeError(w, errMethod)
	case sid == "":
		e.serveHandshake(w, r, d, q)
	default:
		e.serveSession(w, r, transport, d, e.session(sid, d))
	}
}

// serves reports whether the server has a transport.
func (e *Server) serves(transport string) bool {
	switch transport {
	case "polling":
		return !e.config.NoPolling
	case "websocket":
		return !e.config.NoWebsocket
	}
	return false
}

// serveSession serves a request that names a session.
func (e *Server) serveSession(w http.ResponseWriter, r *http.Request, transport string, d *dialect, s *Session) {
	switch {
	case s == nil && transport == "polling" && r.Method == http.MethodPost:
		// A client that was refused, or whose session has just ended, sends CLOSE
		// for an id that is gone. That is not an error.
		if body, _, err := readBody(w, r, 16); err == nil && d.isClose(body) {
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

// serveHandshake begins a session. In Engine.IO 3 that is also the decision about
// the root namespace.
func (e *Server) serveHandshake(w http.ResponseWriter, r *http.Request, d *dialect, q url.Values) {
	if e.isDraining() {
		writeError(w, errUnavailable)
		return
	}
	if e.handshakes.Add(1) > int64(e.config.MaxHandshakes) {
		e.handshakes.Add(-1)
		e.config.Logger.Debug("engine: a request is refused", "reason", "too many handshakes at once", "remote", r.RemoteAddr)
		writeError(w, errUnavailable)
		return
	}
	var verdict Verdict
	if d.entersRoot {
		verdict = e.decide(r.Context(), nil, &Arrival{Namespace: root, Request: r})
	}
	s := newSession(e, d, r, q)
	if c := e.config.Cookie; c != nil {
		cookie := *c
		cookie.Value = s.id
		http.SetCookie(w, &cookie)
	}
	var ws *wsConn
	if q.Get("transport") == "websocket" {
		var err error
		if ws, err = s.accept(w, r, q.Get("b64") != ""); err != nil {
			e.handshakes.Add(-1)
			return // the upgrader has answered
		}
	}
	s.link.polling = ws == nil
	s.mu.Lock() // who finds the session finds it begun
	if !e.add(s) {
		s.mu.Unlock()
		e.handshakes.Add(-1)
		if ws != nil {
			_ = ws.out.uncork(e.writeDeadline()) // the client must not wait for more
			ws.conn.Close()
			return
		}
		writeError(w, errUnavailable)
		return
	}
	s.startLocked()
	if d.entersRoot && !verdict.admitted {
		s.openRefusedLocked(verdict.refusal)
	} else {
		s.openLocked(verdict)
	}
	s.mu.Unlock()
	if ws != nil {
		s.attach(ws)
		return
	}
	s.servePoll(w, r)
}

// openLocked says OPEN and, in Engine.IO 3, takes the client into the root namespace.
func (s *Session) openLocked(verdict Verdict) {
	upgrades := []string{}
	if s.link.polling && !s.server.config.NoUpgrades {
		upgrades = append(upgrades, "websocket")
	}
	s.queueLocked(s.dialect.openMessage(s.id, upgrades, &s.server.config))
	if packet := s.server.config.InitialPacket; len(packet) > 0 {
		s.queueLocked(message{text: append([]byte{typeMessage}, packet...)})
	}
	if !s.dialect.entersRoot {
		return
	}
	st := &Stay{session: s, nsp: root, began: s.created}
	s.stays = append(s.stays, st)
	s.admitLocked(st, verdict)
	s.first("Admitted", func() { s.enter(st) })
}

func (e *Server) add(s *Session) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.draining {
		return false
	}
	e.byID[s.id] = s
	e.tasks.Add()
	return true
}

// remove forgets a session, once. The caller holds the session's lock.
func (e *Server) remove(s *Session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.byID, s.id)
	e.tasks.Done()
}

// session returns the session with an id, or nil. A client does not change its
// protocol.
func (e *Server) session(id string, d *dialect) *Session {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.byID[id]; s != nil && s.dialect == d {
		return s
	}
	return nil
}

// Count is the number of sessions, those included that are closing.
func (e *Server) Count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.byID)
}

func (e *Server) isDraining() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.draining
}

// Shutdown refuses new clients with 503, ends all sessions as [Session.End] does
// with r, and waits until nothing is left of them, and every call of the library
// has returned. If ctx ends before, its error is returned.
func (e *Server) Shutdown(ctx context.Context, r *Refusal) error {
	e.mu.Lock()
	e.draining = true
	all := slices.Collect(maps.Values(e.byID))
	e.mu.Unlock()
	for _, s := range all {
		s.End("server shutting down", r)
	}
	if err := e.tasks.Wait(ctx); err != nil {
		return fmt.Errorf("engine: %d sessions are left, or calls of the library: %w", e.Count(), err)
	}
	return nil
}

// guard calls a function that may be, or may call, another's. Its panic is
// logged, and ends the session it concerns.
func (e *Server) guard(s *Session, what string, f func()) {
	defer func() {
		if p := recover(); p != nil {
			e.config.Logger.Error("engine: a panic", "in", what, "panic", p, "stack", string(debug.Stack()))
			if s != nil {
				s.fail("internal error")
			}
		}
	}()
	f()
}

// run calls f in a goroutine of a session's.
func (e *Server) run(s *Session, what string, f func()) {
	e.tasks.Go(func() { e.guard(s, what, f) })
}

// after calls f by a timer of a session's.
func (e *Server) after(s *Session, d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() { e.guard(s, "timer", f) })
}
