package bindingtest

import (
	"errors"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

var (
	scope     = &verifier.UnauthorizedError{Code: "insufficient_scope", Message: "insufficient scope", Reason: verifier.ErrScopeMismatch}
	forbidden = &verifier.UnauthorizedError{Code: "forbidden", Message: "forbidden", Reason: socketio.ErrForbidden}
)

// testEventRules: a refused event is answered, and does not reach its handler.
func testEventRules(w *world) {
	w.start(socketio.ByHandshake(), socketio.Allow("write", socketio.Scope("w")))
	c, _ := w.enters(token("ada", nil))
	c.sends("write", "refused")
	c.told("unauthorized", scope, "event", "write")
	if err := c.Emit(true, "write", "refused"); !errors.Is(err, errors.ErrUnsupported) {
		c.told("ack", scope, "event", "write")
	}
	c.sends("say", "hello")
	w.handles("say hello")
	c.authenticates(token("ada", verifiertest.Claims{"scope": "w"}))
	c.hears("authenticated")
	c.sends("write", "hello")
	w.handles("write hello")
}

// testRoomRules: a socket is in the rooms that its token allows, also after a renewal.
func testRoomRules(w *world) {
	w.start(socketio.ByHandshake(), socketio.AllowRoom("org:{org}"))
	c, s := w.enters(token("ada", verifiertest.Claims{"org": "red"}))
	_ = s.Join("org:blue")
	c.told("unauthorized", forbidden, "room", "org:blue")
	if err := s.Join("org:red"); err != nil {
		w.Errorf("Join: %v", err)
	}
	w.server.Broadcast("org:blue", "news", "blue")
	w.server.Broadcast("org:red", "news", "red")
	c.hears("news", "red")
	c.authenticates(token("ada", verifiertest.Claims{"org": "blue"}))
	c.told("unauthorized", forbidden, "room", "org:red")
	c.hears("authenticated")
	w.server.Broadcast("org:red", "news", "red")
	s.Emit("answer")
	c.hears("answer")
	c.hearsNothingElse()
}
