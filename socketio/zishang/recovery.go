package zishang

import (
	"sync"
	"time"

	"github.com/zishang520/socket.io/parsers/socket/v3/parser"
	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"
	"github.com/zishang520/socket.io/v3/pkg/utils"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// newRecoverable makes the adapter of a namespace of another one.
func newRecoverable(n socket.Namespace, inner socket.Adapter) *recoverable {
	lifetime := time.Duration(socket.DefaultMaxDisconnectionDuration) * time.Millisecond
	if options := n.Server().Opts().ConnectionStateRecovery(); options != nil {
		options.SetSkipMiddlewares(false)
		lifetime = time.Duration(options.MaxDisconnectionDuration()) * time.Millisecond
	}
	return &recoverable{Adapter: inner, lifetime: lifetime,
		presented: make(map[socket.PrivateSessionId]*presented), pending: make(map[socket.SocketId]*presented)}
}

// recoverable is an adapter whose sessions are recovered by their owners only.
type recoverable struct {
	socket.Adapter
	lifetime time.Duration // of a session

	mu        sync.Mutex // guards the rest
	presented map[socket.PrivateSessionId]*presented
	pending   map[socket.SocketId]*presented // those that are not claimed
	order     []*presented                   // by the time they were presented
}

// presented is a session whose private id a client has presented, without what was
// missed. Some adapters, such as that of Redis streams, give a session away only once:
// they get it back when the socket has authenticated, or has not.
type presented struct {
	*socket.SessionToPersist
	at time.Time
}

// What is persisted as the data of a guarded socket: in a form that adapters
// which encode it keep.
const (
	keptMark  = key
	keptData  = "data"
	keptToken = "token" // the record of the token that the session had
)

// PersistSession keeps with a session whose it is. Guests have none.
func (a *recoverable) PersistSession(session *socket.SessionToPersist) {
	s, ok := a.Nsp().Sockets().Load(session.Sid)
	if !ok {
		return
	}
	if g := attached[guarded](s.StrictEventEmitter.EventEmitter); g != nil {
		owner := g.session.Load()
		if owner == nil || g.is(over) {
			return
		}
		if pid := g.recovery.pid; pid != "" {
			session.Pid = pid
		}
		session.Data = map[string]any{keptMark: true, keptData: session.Data, keptToken: owner.Token().Record()}
	}
	a.release(session.Pid)
	a.Adapter.PersistSession(session)
}

// RestoreSession gives a socket no more than its names: the rest follows when it
// has authenticated. A session is for one socket at a time, and once.
func (a *recoverable) RestoreSession(pid socket.PrivateSessionId, offset string) (*socket.Session, error) {
	session, err := a.Adapter.RestoreSession(pid, offset)
	if err != nil || session == nil {
		return nil, err
	}
	authorizer := authorizerOf(a.Nsp())
	owner, marked := ownerOf(session.SessionToPersist)
	switch {
	case authorizer == nil && !marked:
		return session, nil
	case authorizer == nil || !marked:
		return nil, nil // of a namespace that was not guarded then, or is not now
	}
	if err := authorizer.MayInherit(owner, owner); err != nil && !err.Retryable {
		return nil, nil // of a token that was revoked meanwhile
	}
	if !a.present(&presented{session.SessionToPersist, time.Now()}) {
		return nil, nil
	}
	return &socket.Session{SessionToPersist: &socket.SessionToPersist{
		Sid: session.Sid, Pid: pid, Rooms: types.NewSet[socket.Room](),
	}}, nil
}

// present takes note of a session, and reports whether nobody else has it.
func (a *recoverable) present(p *presented) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.order) > 0 && p.at.Sub(a.order[0].at) >= a.lifetime { // those that are over by now
		if oldest := a.order[0]; a.presented[oldest.Pid] == oldest {
			a.removeLocked(oldest)
		}
		a.order = a.order[1:]
	}
	if a.presented[p.Pid] != nil {
		return false
	}
	a.presented[p.Pid], a.pending[p.Sid] = p, p
	a.order = append(a.order, p)
	return true
}

func (a *recoverable) removeLocked(p *presented) {
	delete(a.presented, p.Pid)
	if a.pending[p.Sid] == p {
		delete(a.pending, p.Sid)
	}
}

// ownerOf returns the token that a session of a guarded socket had.
func ownerOf(session *socket.SessionToPersist) (owner *verifier.Token, ok bool) {
	data, _ := session.Data.(map[string]any)
	record, _ := data[keptToken].(string)
	if data[keptMark] != true || record == "" {
		return nil, false
	}
	owner, err := verifier.TokenFromRecord(record)
	return owner, err == nil
}

// claim returns the session that was presented, with what was missed by now, if it is
// that of who has authenticated. Either way it is used up.
func (a *recoverable) claim(pid socket.PrivateSessionId, offset string, by *socketio.Authorizer, t *verifier.Token) *socket.Session {
	a.mu.Lock()
	p := a.presented[pid]
	if p == nil || a.pending[p.Sid] != p {
		a.mu.Unlock()
		return nil
	}
	delete(a.pending, p.Sid)
	a.mu.Unlock()
	owner, ok := ownerOf(p.SessionToPersist)
	if !ok || by.MayInherit(owner, t) != nil {
		return nil
	}
	a.Adapter.PersistSession(p.SessionToPersist)
	a.mu.Lock()
	if a.presented[pid] == p { // its lifetime begins anew
		p = &presented{p.SessionToPersist, time.Now()}
		a.presented[pid] = p
		a.order = append(a.order, p)
	}
	a.mu.Unlock()
	session, err := a.Adapter.RestoreSession(pid, offset)
	if err != nil {
		return nil
	}
	return session
}

// DelAll is called when the library forgets a socket: a session that it has presented
// and not claimed is left to another attempt.
func (a *recoverable) DelAll(id socket.SocketId) {
	a.Adapter.DelAll(id)
	if _, connected := a.Nsp().Sockets().Load(id); connected {
		return // the one whose session it was, at last
	}
	a.mu.Lock()
	p := a.pending[id]
	if p != nil {
		a.removeLocked(p)
	}
	a.mu.Unlock()
	if p != nil {
		a.Adapter.PersistSession(p.SessionToPersist)
	}
}

// release lets a session be recovered, again.
func (a *recoverable) release(pid socket.PrivateSessionId) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.presented[pid]; p != nil {
		a.removeLocked(p)
	}
}

// recovery is what a guarded socket has to do with recovery. Its zero value is
// that of a server without.
type recovery struct {
	adapter *recoverable
	pid     socket.PrivateSessionId // where it is not the library's own
	offset  string
}

// find sees whether the socket comes to recover a session.
func (r *recovery) find(s *socket.Socket) error {
	options := s.Nsp().Server().Opts()
	if options.Parser() != nil {
		return misconfigured("the server has a parser of its own: package zishang reads the default one's packets")
	}
	if options.ConnectionStateRecovery() == nil {
		return nil
	}
	adapter, ok := s.Nsp().Adapter().(*recoverable)
	if !ok {
		return misconfigured("connection-state recovery needs the server's options to be those of zishang.Harden")
	}
	r.adapter = adapter
	if s.Recovered() {
		auth := s.Handshake().Auth
		presented := socket.SessionData{Pid: auth["pid"], Offset: auth["offset"]}
		pid, _ := presented.GetPid()
		r.pid = socket.PrivateSessionId(pid)
		r.offset, _ = presented.GetOffset()
	}
	return nil
}

// recovering reports whether there is a session to recover.
func (r *recovery) recovering() bool { return r.offset != "" }

// begin returns the private id to tell the client of a socket that is held, ""
// if there is none: the library tells its own too late.
func (r *recovery) begin() socket.PrivateSessionId {
	if r.adapter != nil && r.pid == "" {
		r.pid = socket.PrivateSessionId(utils.Base64Id().GenerateId())
	}
	return r.pid
}

// errNotRecovered refuses a socket that bears the name of a session that is not
// its own. The next attempt will begin a new one.
var errNotRecovered = &verifier.UnauthorizedError{
	Code: verifier.CodeInvalidToken, Message: "the session is not the same user's, connect again",
	Reason: socketio.ErrIdentityMismatch, Retryable: true,
}

// claim returns the session that the socket came to recover, as it is by now, if it
// is that of who has authenticated; nil if it came for none.
func (r *recovery) claim(s *socketio.Session, by *socketio.Authorizer) (*socket.Session, error) {
	if !r.recovering() {
		return nil, nil
	}
	if session := r.adapter.claim(r.pid, r.offset, by, s.Token()); session != nil {
		return session, nil
	}
	return nil, errNotRecovered
}

// restore gives the socket its rooms, its data, and what it missed.
func (g *guarded) restore(session *socket.Session) {
	data, _ := session.Data.(map[string]any)
	g.socket.SetData(data[keptData])
	g.socket.Join(session.Rooms.Keys()...)
	encoder := g.socket.Nsp().Server().Encoder()
	for _, event := range session.MissedPackets {
		missed := &parser.Packet{Type: parser.EVENT, Nsp: g.namespace, Data: event}
		g.conn.client.WriteToEngine(encoder.Encode(missed), &socket.WriteOptions{})
	}
}
