package bindingtest

import (
	"errors"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// testAdmission: only admitted clients reach the application.
func testAdmission(w *world) {
	w.start(socketio.ByHandshake())
	for bad, want := range map[string]*verifier.UnauthorizedError{"bad!": errBad, "": errMissing} {
		c := w.connect(bad)
		c.told("connect_error", want)
		w.server.Broadcast("", "news", 1)
		c.sends("say", "refused")
		c.hearsNothingElse()
	}
	c, s := w.enters(token("ada", nil))
	if s.Session() != s.session || s.session.Token().Subject != "ada" {
		w.Errorf("the session is %v", s.Session())
	}
	c.sends("say", "hello")
	w.handles("say hello")
	s.Emit("answer", 1)
	c.hears("answer", 1)
	w.server.Broadcast("", "news", 2)
	c.hears("news", 2)
	if n := len(w.begun); n != 0 {
		w.Errorf("%d refused clients reached the application", n)
	}
}

// testUnwelcome: an error or a panic of the handler ends the session.
func testUnwelcome(w *world) {
	banned := &verifier.UnauthorizedError{Code: "banned", Message: "you are banned", Reason: "banned"}
	w.onBegin = func(_ Conn, s *socketio.Session) error {
		if s.Token().Subject == "mad" {
			panic("a handler's bug")
		}
		return banned
	}
	w.start(socketio.ByEvent())
	c := w.connect("")
	c.hears("connect")
	c.authenticates(token("ada", nil))
	c.hears("authenticated")
	c.told("unauthorized", banned)
	c.hears("disconnect")
	if err := w.begins().ended(w); !errors.Is(err, banned) {
		w.Errorf("the session ended by %v", err)
	}
	c = w.connect("")
	c.hears("connect")
	c.authenticates(token("mad", nil))
	c.hears("authenticated")
	c.reason("unauthorized", socketio.ErrServer)
	c.hears("disconnect")
}

// testOrder: no event is handled before the handler that begins the session returns.
func testOrder(w *world) {
	proceed, release := w.latch()
	w.onBegin = func(Conn, *socketio.Session) error {
		<-proceed
		w.handled <- "begun"
		return nil
	}
	w.start(socketio.ByHandshake())
	c, s := w.enters(token("ada", nil))
	c.sends("say", "hello")
	s.Emit("welcome")
	c.hears("welcome")
	release()
	w.handles("begun")
	w.handles("say hello")
}

// testGate: before a client has authenticated nothing passes.
func testGate(w *world) {
	w.onBegin = func(c Conn, _ *socketio.Session) error {
		c.Emit("welcome")
		return nil
	}
	w.start(socketio.ByEvent())
	c := w.connect("")
	c.hears("connect")
	w.server.Broadcast("", "news", "early")
	c.sends("say", "early")
	c.sends("hello", "early")
	c.authenticates(token("ada", nil))
	c.hears("authenticated")
	c.hears("welcome")
	w.begins()
	c.sends("say", "late")
	w.handles("say late")
	w.server.Broadcast("", "news", "late")
	c.hears("news", "late")
}

// testRefusal: a client that is refused may try again, until it acknowledges.
func testRefusal(w *world) {
	w.start(socketio.ByEvent())
	c := w.connect("")
	c.hears("connect")
	c.authenticates("bad!")
	c.told("unauthorized", errBad)
	c.authenticates(token("ada", nil))
	c.hears("authenticated")
	w.begins()

	c = w.connect("")
	c.hears("connect")
	c.authenticates("bad!")
	c.told("unauthorized", errBad)
	c.Acknowledge()
	c.hears("disconnect")
	c.hearsNothingElse()
}

// testDisconnectNow: with DisconnectNow a client is disconnected right after a refusal.
func testDisconnectNow(w *world) {
	w.start(socketio.ByEvent(), socketio.DisconnectNow())
	c := w.connect("")
	c.hears("connect")
	c.authenticates("bad!")
	c.authenticates(token("ada", nil)) // too late
	c.told("unauthorized", errBad)
	c.hears("disconnect")
	c.hearsNothingElse()
	if len(w.begun) != 0 {
		w.Error("a client that was refused has authenticated")
	}
}

// testWantsAck: every "unauthorized" asks for an acknowledgement, since clients of
// socketio-jwt call the function that comes with it. Only that of a refused attempt has an
// effect, and only until the client has authenticated.
func testWantsAck(w *world) {
	w.start(socketio.ByEvent(), socketio.Allow("write", socketio.Scope("w")), socketio.AllowRoom("org:{org}"))
	c := w.connect("")
	c.hears("connect")
	asks := func(what string) {
		w.Helper()
		if e := c.hears("unauthorized"); !e.WantsAck {
			w.Errorf("%s: unauthorized asks for no acknowledgement", what)
		}
	}
	c.authenticates("bad!")
	asks("a refused attempt")
	c.authenticates(token("ada", verifiertest.Claims{"org": "red"}))
	c.hears("authenticated")
	s := w.begins()
	c.sends("write", "refused")
	asks("a refused event")
	_ = s.Join("org:blue")
	asks("a refused room")
	c.authenticates(token("bob", nil))
	asks("a refused renewal")
	for range 4 {
		c.Acknowledge()
	}
	c.sends("say", "hello")
	w.handles("say hello")
	s.session.End(errBad)
	asks("the end of a session")
	c.hears("disconnect")

	w.start(socketio.ByEvent(), socketio.DisconnectNow())
	c = w.connect("")
	c.hears("connect")
	c.authenticates("bad!")
	asks("a refusal that disconnects")
	c.hears("disconnect")
}

// testAcknowledgements: the result of a handler is its event's acknowledgement. What is
// not handled has none.
func testAcknowledgements(w *world) {
	w.start(socketio.ByEvent())
	c := w.connect("")
	c.hears("connect")
	if err := c.Emit(true, "say", "early"); errors.Is(err, errors.ErrUnsupported) {
		return
	}
	c.authenticates(token("ada", nil))
	c.hears("authenticated")
	s := w.begins()
	_ = c.Emit(true, "say", "hello")
	c.hears("ack", "handled hello")
	w.handles("say hello")
	s.session.End(errBad)
	_ = c.Emit(true, "say", "late")
	c.reason("unauthorized", errBad.Reason)
	c.hears("disconnect")
	c.hearsNothingElse()
}
