package socketio

import (
	"context"
	"maps"
	"math"
	"slices"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// RoomLeaver is an optional method of a [Socket], for bindings with rooms. LeaveRoom
// takes the socket out of a room. It must not call the guard.
type RoomLeaver interface{ LeaveRoom(room string) }

// refusedAction tells a client of a refused event or join: "unauthorized" with the name
// of what was refused.
type refusedAction struct {
	unauthorized
	Event string `json:"event,omitempty"`
	Room  string `json:"room,omitempty"`
}

// Permit decides whether an event of the client may reach the application, by the rules
// of [Allow] and [WithDecider]. A binding calls it before each handler, after
// [Session.Wait]. If it returns false, it has told the client: by ack, which sends the
// event's acknowledgement, or by "unauthorized" if ack is nil.
func (g *Guard) Permit(event string, ack func(answer any)) bool {
	if g.a.policy.events == nil && g.a.policy.all == nil {
		return true
	}
	// Also a session that was disconnected meanwhile, for what its client sent before.
	s := g.current()
	var refused *verifier.UnauthorizedError
	if s != nil {
		refused = g.a.decideAction(sessionContext, s, ActionEvent, event)
		g.a.audit.decided(g.handshake, s, auditEvent, event, refused)
	} else if _, ruled := g.a.policy.events[event]; ruled || g.a.policy.events["*"] != nil || g.a.policy.all != nil {
		refused = errGuest
		g.a.audit.decided(g.handshake, nil, auditEvent, event, refused)
	}
	if refused == nil {
		return true
	}
	answer := refusedAction{newUnauthorized(refused), event, ""}
	if ack != nil {
		ack(answer)
	} else {
		g.socket.Emit(EventUnauthorized, nil, answer)
	}
	return false
}

// Join adds a socket to a room, by the rules of [AllowRoom] and [WithDecider], or with a
// room token ([RoomTokens]), "" for none. If the room is allowed, it calls join, which
// must not block or call the guard. Otherwise it returns the reason, an
// [*verifier.UnauthorizedError], and does not tell the client; see [Guard.JoinRefused].
// A binding calls [Guard.Left] when the socket leaves a room.
func (g *Guard) Join(ctx context.Context, room, token string, join func()) error {
	s := g.Session()
	if s == nil {
		if g.ruledRooms() || token != "" {
			g.a.audit.decided(g.handshake, nil, auditJoin, room, errGuest)
			return errGuest
		}
		join()
		return nil
	}
	if !g.ruledRooms() && token == "" {
		join()
		return nil
	}
	for {
		p := s.pass.Load()
		grant := &grant{}
		var refused *verifier.UnauthorizedError
		if token != "" {
			grant.token, refused = g.a.roomToken(ctx, s, room, token)
		} else {
			refused = g.a.decideAction(ctx, s, ActionJoin, room)
		}
		if refused != nil {
			g.a.audit.decided(g.handshake, s, auditJoin, room, refused)
			return refused
		}
		if again := g.enterRoom(s, p, room, grant, join); !again {
			break
		}
	}
	if s.hasEnded() {
		return ErrDisconnected
	}
	g.a.audit.decided(g.handshake, s, auditJoin, room, nil)
	return nil
}

// Decides reports whether the options have rules for events ([Guard.Permit]) and for
// rooms ([Guard.Join]). A binding that does not ask about them must refuse such options.
func (a *Authorizer) Decides() (events, rooms bool) {
	p := &a.policy
	return p.events != nil || p.all != nil, len(p.rooms) > 0 || p.all != nil || p.roomTokens != nil
}

// ruledRooms reports whether rooms are decided on.
func (g *Guard) ruledRooms() bool { return len(g.a.policy.rooms) > 0 || g.a.policy.all != nil }

// JoinRefused tells the client by "unauthorized" that it may not be in a room, and why.
// Call it for joins that have no other answer.
func (g *Guard) JoinRefused(room string, err error) {
	refused := refusalOf(err)
	g.socket.Emit(EventUnauthorized, nil, refusedAction{newUnauthorized(refused), "", room})
}

// Left tells the guard that the socket has left a room, or all rooms for "".
func (g *Guard) Left(room string) {
	s := g.current()
	if s == nil {
		return
	}
	s.rooms.mu.Lock()
	defer s.rooms.mu.Unlock()
	if room == "" {
		clear(s.rooms.in)
	} else {
		delete(s.rooms.in, room)
	}
}

// enterRoom joins a room that was allowed for a pass. again says that the pass has been
// replaced meanwhile, so that the decision is stale.
func (g *Guard) enterRoom(s *Session, p *Pass, room string, by *grant, join func()) (again bool) {
	now, r := g.a.times(), &s.rooms
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case s.hasEnded():
		return false
	case s.pass.Load() != p:
		return true
	}
	if by.token != nil {
		by.since, by.left = now.mono, by.token.ValidUntil().Sub(now.wall)
		if g.a.noticeEvent != "" {
			by.lead = min(g.a.noticeLead, by.left/2) // see lifetimeOf
		}
	}
	if r.in == nil {
		r.in = make(map[string]*grant)
	}
	r.in[room] = by
	r.schedule(now, g.roomsTimer)
	join()
	return false
}

// roomExpiring is the argument of the notice about a room token.
type roomExpiring struct {
	expiring
	Room string `json:"room"`
}

// roomsTimer tells the client of room tokens that expire soon, and takes the socket out
// of the rooms whose token has expired.
func (g *Guard) roomsTimer() {
	defer g.rescue()
	s := g.current()
	now := g.a.times()
	expired := make(map[string]*grant)
	var notices []roomExpiring
	s.rooms.mu.Lock()
	for room, by := range s.rooms.in {
		if by.token == nil {
			continue
		}
		left := by.remaining(now)
		switch {
		case left <= 0:
			expired[room] = by
		case by.lead > 0 && left <= by.lead:
			by.lead = 0
			notices = append(notices, roomExpiring{expiring{int64(math.Round(left.Seconds()))}, room})
		}
	}
	s.rooms.mu.Unlock()
	for _, n := range notices {
		g.socket.Emit(g.a.noticeEvent, nil, n)
	}
	for room, by := range expired {
		g.leaveRoom(s, room, by, errExpired)
	}
	s.rooms.mu.Lock()
	if !s.hasEnded() {
		s.rooms.schedule(now, g.roomsTimer)
	}
	s.rooms.mu.Unlock()
}

// recheckRooms takes the socket out of the rooms that its renewed token does not allow.
func (g *Guard) recheckRooms(s *Session) {
	s.rooms.mu.Lock()
	in := make(map[string]*grant, len(s.rooms.in))
	for room, by := range s.rooms.in {
		if by.token == nil {
			in[room] = by
		}
	}
	s.rooms.mu.Unlock()
	for _, room := range slices.Sorted(maps.Keys(in)) {
		if refused := g.a.decideAction(sessionContext, s, ActionJoin, room); refused != nil {
			g.leaveRoom(s, room, in[room], refused)
		}
	}
}

// leaveRoom takes the socket out of a room, unless it has been granted it anew, and
// tells the client and the application.
func (g *Guard) leaveRoom(s *Session, room string, by *grant, err *verifier.UnauthorizedError) {
	s.rooms.mu.Lock()
	left := s.rooms.in[room] == by
	if left {
		delete(s.rooms.in, room)
		if l, ok := g.socket.(RoomLeaver); ok {
			g.a.guarded("leaving a room", func() { l.LeaveRoom(room) })
		}
	}
	s.rooms.mu.Unlock()
	if !left {
		return
	}
	g.a.audit.decided(g.handshake, s, auditLeave, room, err)
	g.JoinRefused(room, err)
	for _, f := range g.a.policy.onRoomRevoked {
		g.notices.add(func() { g.a.guarded("OnRoomRevoked", func() { f(s, room, err) }) })
	}
	g.notify()
}
