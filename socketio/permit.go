package socketio

import (
	"context"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// RoomLeaver is what a [Socket] of a binding with rooms implements: LeaveRoom takes the
// socket out of a room. It must not call the guard.
type RoomLeaver interface{ LeaveRoom(room string) }

// refusedAction is what a client is told of a refused event or join: "unauthorized" with
// the name of what was refused.
type refusedAction struct {
	unauthorized
	Event string `json:"event,omitempty"`
	Room  string `json:"room,omitempty"`
}

// Permit decides whether an event of the client's may reach the application, by the
// rules of [Allow] and [WithDecider]. A binding calls it before each handler, behind
// [Session.Wait]. If it returns false the client has been told: by ack, which sends the
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
		g.a.audit.decided(g, s, ActionEvent, event, refused)
	} else if _, ruled := g.a.policy.events[event]; ruled || g.a.policy.events["*"] != nil || g.a.policy.all != nil {
		refused = errGuest
		g.a.audit.decided(g, nil, ActionEvent, event, refused)
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

// Join has a socket join a room, by the rules of [AllowRoom] and [WithDecider], or with a
// room token ([RoomTokens]), "" for none. If the room is allowed it calls join, which must
// not block or call the guard; otherwise it returns why not, an
// [*verifier.UnauthorizedError], and the client has not been told: see
// [Guard.JoinRefused]. A binding calls [Guard.Left] when the socket leaves a room.
func (g *Guard) Join(ctx context.Context, room, token string, join func()) error {
	s := g.Session()
	if s == nil {
		if g.ruledRooms() || token != "" {
			g.a.audit.decided(g, nil, ActionJoin, room, errGuest)
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
			g.a.audit.decided(g, s, ActionJoin, room, refused)
			return refused
		}
		if again := s.rooms.enter(g, s, p, room, grant, join); !again {
			break
		}
	}
	if s.hasEnded() {
		return ErrDisconnected
	}
	g.a.audit.decided(g, s, ActionJoin, room, nil)
	return nil
}

// Decides reports whether the options have rules for events ([Guard.Permit]) and for rooms
// ([Guard.Join]). A binding that does not ask about them must refuse such options.
func (a *Authorizer) Decides() (events, rooms bool) {
	p := &a.policy
	return p.events != nil || p.all != nil, len(p.rooms) > 0 || p.all != nil || p.roomTokens != nil
}

// ruledRooms reports whether rooms are decided on.
func (g *Guard) ruledRooms() bool { return len(g.a.policy.rooms) > 0 || g.a.policy.all != nil }

// JoinRefused tells the client by "unauthorized" that it may not be in a room, and why:
// for joins that nothing else answers.
func (g *Guard) JoinRefused(room string, err error) {
	refused := refusalOf(err)
	g.socket.Emit(EventUnauthorized, nil, refusedAction{newUnauthorized(refused), "", room})
}

// Left notes that the socket is no longer in a room, "" for any room.
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

// grant is why a session is in a room: by the rules, or by a room token.
type grant struct {
	token *verifier.Token // nil: the rules
	since time.Time       // when the token came, by the monotonic clock
	left  time.Duration   // from then to its end
	lead  time.Duration   // how long before its end the client is told; zero for not at all, or not again
}

// rooms are the rooms of a session that were decided on. The zero value is empty.
type rooms struct {
	mu    sync.Mutex // guards the rest; held while the binding joins and leaves rooms
	in    map[string]*grant
	timer *time.Timer // for the end of room tokens
}

// enter joins a room that was allowed for a pass. again says that the pass has been
// replaced meanwhile, so that the decision is stale.
func (r *rooms) enter(g *Guard, s *Session, p *Pass, room string, by *grant, join func()) (again bool) {
	now := g.a.times()
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
	r.schedule(g, now)
	join()
	return false
}

// schedule sets the timer to the first notice or end of a room token. The caller holds mu.
func (r *rooms) schedule(g *Guard, now times) {
	next := time.Duration(-1)
	for _, by := range r.in {
		if by.token != nil {
			if left := by.remaining(now) - by.lead; next < 0 || left < next {
				next = max(left, 0)
			}
		}
	}
	switch {
	case next < 0:
		if r.timer != nil {
			r.timer.Stop()
			r.timer = nil
		}
	case r.timer == nil:
		r.timer = time.AfterFunc(min(next, clockCheck), g.roomsTimer)
	default:
		r.timer.Reset(min(next, clockCheck))
	}
}

func (b *grant) remaining(now times) time.Duration {
	return min(b.left-now.mono.Sub(b.since), b.token.ValidUntil().Sub(now.wall))
}

// stop is called when the session has ended.
func (r *rooms) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.in = nil; r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
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
		s.rooms.schedule(g, now)
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
	g.a.audit.left(g, s, room, err)
	g.JoinRefused(room, err)
	for _, f := range g.a.policy.onRoomRevoked {
		g.notices.add(func() { g.a.guarded("OnRoomRevoked", func() { f(s, room, err) }) })
	}
	g.notify()
}
