package zishang

import (
	"crypto/rand"
	"hash/maphash"
	"maps"
	"slices"
	"sync"

	"github.com/zishang520/socket.io/parsers/socket/v3/parser"
	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// What is persisted as the data of a guarded socket: in a form that adapters
// which encode it keep.
const (
	keptMark  = "socketio-jwt"
	keptData  = "data"
	keptToken = "token" // the record of the token that the session had
)

// recovery is what a stay has to do with recovery. Its zero value is that of a server
// without.
type recovery struct {
	pid    string                   // what the client may come back with, "" for nothing
	old    socket.PrivateSessionId  // of the session that it came to recover
	offset string                   // of the last event that it got
	taken  *socket.SessionToPersist // that session, which nobody else can take until it is given back
	from   *adapter
}

// present gives the stay a private id, and returns the payload of CONNECT for the library.
// For a session that the client came to recover the library asks by an alias, which leads
// to the stay as long as Server.recovering has it.
func (g *guarded) present() (auth map[string]any, alias string) {
	auth, _ = g.Handshake.Auth.(map[string]any)
	if !g.server.recovers() {
		return auth, ""
	}
	r := &g.recovery
	r.pid = rand.Text()
	presented := socket.SessionData{Pid: auth["pid"], Offset: auth["offset"]}
	pid, ok := presented.GetPid()
	offset, hasOffset := presented.GetOffset()
	if !ok || !hasOffset {
		return auth, ""
	}
	r.old, r.offset = socket.PrivateSessionId(pid), offset
	alias = rand.Text()
	g.server.recovering.Store(alias, g)
	auth = maps.Clone(auth)
	auth["pid"] = alias
	return auth, alias
}

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
			if owner == nil || c.guarded.now().byServer() {
				return
			}
			session.Data = map[string]any{keptMark: true, keptData: session.Data, keptToken: owner.Token().Record()}
		}
	}
	if session.Pid != "" { // a client 2.x recovers nothing
		a.Adapter.PersistSession(session)
	}
}

// turn is for one attempt at a session at a time, as a rule.
func (a *adapter) turn(pid socket.PrivateSessionId) *sync.Mutex {
	return &a.turns[maphash.String(seed, string(pid))%uint64(len(a.turns))]
}

var seed = maphash.MakeSeed()

// use puts an empty session in place of one that was taken: whatever the adapter does
// with a session that it has given away, nobody gets it twice. Adapters that encode
// sessions need a room.
func (a *adapter) use(pid socket.PrivateSessionId) {
	a.Adapter.PersistSession(&socket.SessionToPersist{Pid: pid, Rooms: types.NewSet(socket.Room(""))})
}

// RestoreSession takes a session, and gives the socket no more than its names: the rest
// follows when it has authenticated. The library asks by the alias of a stay.
func (a *adapter) RestoreSession(alias socket.PrivateSessionId, offset string) (*socket.Session, error) {
	found, ok := a.server.recovering.Load(string(alias))
	if !ok {
		return nil, nil
	}
	g := found.(*guarded)
	r, by := &g.recovery, g.Authorizer
	turn := a.turn(r.old)
	turn.Lock()
	defer turn.Unlock()
	session, err := a.Adapter.RestoreSession(r.old, offset)
	if err != nil || session == nil {
		return nil, err
	}
	owner, marked := ownerOf(session.SessionToPersist)
	if by == nil || !marked {
		return nil, nil // of a namespace that was not guarded then, or is not now; or somebody has it
	}
	if err := by.MayInherit(owner, owner); err != nil && !err.Retryable {
		return nil, nil // of a token that was revoked meanwhile
	}
	if g.Guest.Load() || g.Pass != nil && by.MayInherit(owner, g.Pass.Token()) != nil {
		a.Adapter.PersistSession(session.SessionToPersist) // for its owner
		return nil, nil
	}
	a.use(r.old)
	g.mu.Lock()
	defer g.mu.Unlock()
	r.taken, r.from, r.pid = session.SessionToPersist, a, string(r.old)
	return &socket.Session{SessionToPersist: &socket.SessionToPersist{
		Sid: session.Sid, Pid: r.old, Rooms: types.NewSet[socket.Room](),
	}}, nil
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

// errNotRecovered refuses a socket that has the name of another user's session. The
// next attempt begins a new one.
var errNotRecovered = &verifier.UnauthorizedError{
	Code: verifier.CodeInvalidToken, Message: "the session is not the same user's, connect again",
	Reason: socketio.ErrIdentityMismatch, Retryable: true,
}

// take returns the session that the stay has taken, which is then the caller's.
func (g *guarded) take() *socket.SessionToPersist {
	g.mu.Lock()
	defer g.mu.Unlock()
	taken := g.recovery.taken
	g.recovery.taken = nil
	return taken
}

// giveBack leaves a session that the stay has taken to another attempt.
func (g *guarded) giveBack() {
	if taken := g.take(); taken != nil {
		g.recovery.from.Adapter.PersistSession(taken)
	}
}

// claim returns the session that the stay has taken, with what was missed by now, if it
// is that of the user that has authenticated; nil if it has taken none. The socket joins
// the rooms that it may still be in: of no others does it hear what was missed.
func (g *guarded) claim(s *socketio.Session) (*socket.Session, error) {
	taken := g.take()
	if taken == nil {
		return nil, nil
	}
	r, a, so := &g.recovery, g.recovery.from, g.socketOf()
	if owner, ok := ownerOf(taken); !ok || g.Authorizer.MayInherit(owner, s.Token()) != nil {
		a.Adapter.PersistSession(taken)
		return nil, errNotRecovered
	}
	so.Join(taken.Rooms.Keys()...) // the gate is closed: nothing is heard twice
	joined := so.Rooms()
	limited := *taken
	limited.Rooms = types.NewSet(socket.Room(taken.Sid))
	for _, room := range taken.Rooms.Keys() {
		if joined.Has(room) {
			limited.Rooms.Add(room)
		}
	}
	turn := a.turn(r.old)
	turn.Lock()
	defer turn.Unlock()
	a.Adapter.PersistSession(&limited)
	session, err := a.Adapter.RestoreSession(r.old, r.offset)
	if err != nil || session == nil {
		return nil, errNotRecovered
	}
	a.use(r.old)
	return session, nil
}

// restore gives the socket its data, and what it missed in its rooms. It gets nothing if it
// has left one of them by now: adapters do not say which room a packet was for.
func (g *guarded) restore(session *socket.Session) {
	data, _ := session.Data.(map[string]any)
	s := g.socketOf()
	s.SetData(data[keptData])
	left := func(room socket.Room) bool { return room != socket.Room(s.Id()) && !s.Rooms().Has(room) }
	for _, event := range session.MissedPackets {
		missed := &parser.Packet{Type: parser.EVENT, Nsp: s.Nsp().Name(), Data: event}
		e, err := encode(missed)
		if err != nil {
			continue // of an adapter that has changed it
		}
		g.Deliver(e.event, nil, false, func() bool { return !slices.ContainsFunc(session.Rooms.Keys(), left) })
	}
}
