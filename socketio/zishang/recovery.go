package zishang

import (
	"crypto/rand"
	"maps"
	"time"

	"github.com/zishang520/socket.io/parsers/socket/v3/parser"
	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

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
	keptMark  = "socketio-jwt"
	keptData  = "data"
	keptToken = "token" // the record of the token that the session had
)

// PersistSession keeps with a session whose it is. Guests have none.
func (a *adapter) PersistSession(session *socket.SessionToPersist) {
	s, ok := a.Nsp().Sockets().Load(session.Sid)
	if !ok {
		return
	}
	if c, ok := s.Conn().(*conn); ok {
		session.Pid = socket.PrivateSessionId(c.guarded.recovery.pid)
		if c.guarded.Authorizer != nil {
			owner := c.guarded.Current.Load()
			if owner == nil || c.guarded.cut.Load() {
				return
			}
			session.Data = map[string]any{keptMark: true, keptData: session.Data, keptToken: owner.Token().Record()}
		}
	}
	if session.Pid == "" {
		return // of a client 2.x, which recovers nothing
	}
	a.release(session.Pid)
	a.Adapter.PersistSession(session)
}

// RestoreSession gives a socket no more than its names: the rest follows when it
// has authenticated. A session is for one socket at a time, and once. The library asks
// by the alias of a stay.
func (a *adapter) RestoreSession(alias socket.PrivateSessionId, offset string) (*socket.Session, error) {
	found, ok := a.server.recovering.Load(string(alias))
	if !ok {
		return nil, nil
	}
	g := found.(*guarded)
	session, err := a.Adapter.RestoreSession(g.recovery.old, offset)
	if err != nil || session == nil {
		return nil, err
	}
	owner, marked := ownerOf(session.SessionToPersist)
	by := g.Authorizer
	switch {
	case by == nil || !marked:
		return nil, nil // of a namespace that was not guarded then, or is not now
	default:
		if err := by.MayInherit(owner, owner); err != nil && !err.Retryable {
			return nil, nil // of a token that was revoked meanwhile
		}
		if g.Guest.Load() || g.Pass != nil && by.MayInherit(owner, g.Pass.Token()) != nil {
			a.Adapter.PersistSession(session.SessionToPersist) // for its owner
			return nil, nil
		}
	}
	if !a.present(&presented{session.SessionToPersist, time.Now()}) {
		return nil, nil
	}
	return &socket.Session{SessionToPersist: &socket.SessionToPersist{
		Sid: session.Sid, Pid: g.recovery.old, Rooms: types.NewSet[socket.Room](),
	}}, nil
}

// present takes note of a session, and reports whether nobody else has it.
func (a *adapter) present(p *presented) bool {
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

func (a *adapter) removeLocked(p *presented) {
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
// that of the user that has authenticated. Either way it is used up. The socket joins the
// rooms that it may still be in: of no others does it hear what was missed.
func (a *adapter) claim(pid socket.PrivateSessionId, offset string, by *socketio.Authorizer, t *verifier.Token, s *socket.Socket) *socket.Session {
	a.mu.Lock()
	p := a.presented[pid]
	if p == nil || a.pending[p.Sid] != p {
		a.mu.Unlock()
		return nil
	}
	delete(a.pending, p.Sid)
	a.mu.Unlock()
	if by != nil {
		owner, ok := ownerOf(p.SessionToPersist)
		if !ok || by.MayInherit(owner, t) != nil {
			return nil
		}
	}
	s.Join(p.Rooms.Keys()...) // the gate is closed: nothing is heard twice
	limited := *p.SessionToPersist
	limited.Rooms = types.NewSet(socket.Room(p.Sid))
	joined := s.Rooms()
	for _, room := range p.Rooms.Keys() {
		if joined.Has(room) {
			limited.Rooms.Add(room)
		}
	}
	a.Adapter.PersistSession(&limited)
	a.mu.Lock()
	if a.presented[pid] == p { // its lifetime begins anew
		p = &presented{&limited, time.Now()}
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

// DelAll is called when the library forgets a socket. A session that it has presented
// and not claimed is left to another attempt.
func (a *adapter) DelAll(id socket.SocketId) {
	a.Adapter.DelAll(id)
	if _, connected := a.Nsp().Sockets().Load(id); !connected {
		a.giveBack(id)
	} // otherwise the one whose session it was, at last
}

// giveBack leaves a session that is presented and not claimed to another attempt.
func (a *adapter) giveBack(id socket.SocketId) {
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
func (a *adapter) release(pid socket.PrivateSessionId) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.presented[pid]; p != nil {
		a.removeLocked(p)
	}
}

// recovery is what a stay has to do with recovery. Its zero value is that of a server
// without.
type recovery struct {
	adapter *adapter
	pid     string // what the client may come back with, "" for nothing
	old     socket.PrivateSessionId
	offset  string
	alias   string // by which the library asks for the session
}

// prepare gives the stay a private id, and has the library ask for the session that the
// client came to recover, if any, by a name that leads to the stay.
func (r *recovery) prepare(g *guarded) {
	if !g.server.options.recovers || g.Stay.Session().Protocol() == 3 {
		return
	}
	presented := socket.SessionData{Pid: g.auth["pid"], Offset: g.auth["offset"]}
	pid, ok := presented.GetPid()
	offset, ok2 := presented.GetOffset()
	if ok && ok2 {
		r.old, r.offset, r.alias = socket.PrivateSessionId(pid), offset, rand.Text()
		g.server.recovering.Store(r.alias, g)
	}
	r.pid = rand.Text()
}

// auth is the payload of CONNECT for the library.
func (r *recovery) auth(auth map[string]any) map[string]any {
	if r.alias == "" {
		return auth
	}
	auth = maps.Clone(auth)
	auth["pid"] = r.alias
	return auth
}

// settled takes note that the library has asked.
func (r *recovery) settled(g *guarded) {
	if r.alias == "" {
		return
	}
	g.server.recovering.Delete(r.alias)
	if s := g.socketOf(); s != nil && s.Recovered() {
		r.adapter, _ = s.Nsp().Adapter().(*adapter)
		r.pid = string(r.old)
	}
}

// errNotRecovered refuses a socket that has the name of another user's session. The
// next attempt begins a new one.
var errNotRecovered = &verifier.UnauthorizedError{
	Code: verifier.CodeInvalidToken, Message: "the session is not the same user's, connect again",
	Reason: socketio.ErrIdentityMismatch, Retryable: true,
}

// claim returns the session that the socket came to recover, as it is by now, if it
// is that of the user that has authenticated; nil if it came for none.
func (r *recovery) claim(g *guarded, s *socketio.Session) (*socket.Session, error) {
	if r.adapter == nil {
		return nil, nil
	}
	if session := r.adapter.claim(r.old, r.offset, g.Authorizer, s.Token(), g.socketOf()); session != nil {
		return session, nil
	}
	return nil, errNotRecovered
}

// drop lets another attempt recover a session that this one has not.
func (r *recovery) drop(g *guarded) {
	if r.adapter != nil {
		if s := g.socketOf(); s != nil {
			r.adapter.giveBack(s.Id())
		}
	}
}

// restore gives the socket its data, and what it missed in its rooms.
func (g *guarded) restore(session *socket.Session) {
	data, _ := session.Data.(map[string]any)
	s := g.socketOf()
	s.SetData(data[keptData])
	encoder := s.Nsp().Server().Encoder()
	for _, event := range session.MissedPackets {
		missed := &parser.Packet{Type: parser.EVENT, Nsp: s.Nsp().Name(), Data: event}
		s.Client().WriteToEngine(encoder.Encode(missed), &socket.WriteOptions{})
	}
}
