package bindingtest

import (
	"errors"
	"time"

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
		c.hearsNoMore()
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
	proceed := make(chan struct{})
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
	close(proceed)
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
	c.hearsNoMore()
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
	c.hearsNoMore()
	if len(w.begun) != 0 {
		w.Error("a client that was refused has authenticated")
	}
}

// testEnd: an end is told once, and nothing follows it.
func testEnd(w *world) {
	w.start(socketio.ByHandshake())
	c, s := w.enters(token("ada", nil))
	other, _ := w.enters(token("bob", nil))
	why := &verifier.UnauthorizedError{Code: "over", Message: "it is over", Reason: "over"}
	s.Emit("before")
	s.session.End(why)
	s.session.End(errBad)
	s.Emit("after")
	_ = s.Join("room")
	w.server.Broadcast("", "news", 1)
	w.server.Broadcast("room", "news", 2)
	other.hears("news", 1)
	if err := s.ended(w); !errors.Is(err, why) {
		w.Errorf("the session ended by %v", err)
	}
	c.hears("before")
	c.told("unauthorized", why)
	c.sends("say", "after")
	c.authenticates(token("ada", nil))
	c.hears("disconnect")
	c.hearsNoMore()
	other.sends("say", "hello")
	w.handles("say hello")
	if s.Session() != s.session {
		w.Error("the socket has lost its session")
	}
}

// testEndDuringEvent: nothing is sent behind the end of a session, and what the client
// sent behind the event is not handled.
func testEndDuringEvent(w *world) {
	arrived, proceed := make(chan struct{}), make(chan struct{})
	w.onEvent = func(c Conn, event, _ string) {
		if event != "bye" {
			return
		}
		close(arrived)
		<-proceed
		c.Session().End(errBad)
		c.Emit("late")
	}
	w.start(socketio.ByHandshake())
	c, s := w.enters(token("ada", nil))
	c.sends("bye", "")
	<-arrived
	c.sends("say", "late")
	close(proceed)
	c.told("unauthorized", errBad)
	c.hears("disconnect")
	c.hearsNoMore()
	_ = s.ended(w)
	w.handles("bye ")
	other, _ := w.enters(token("bob", nil))
	other.sends("say", "hello")
	w.handles("say hello")
}

// testLeave: a session ends with its socket.
func testLeave(w *world) {
	w.start(socketio.ByHandshake())
	c, s := w.enters(token("ada", nil))
	c.Leave()
	if err := s.ended(w); !errors.Is(err, socketio.ErrDisconnected) {
		w.Errorf("the session ended by %v", err)
	}
	if n := w.registry.Count(socketio.Filter{}); n != 0 {
		w.Errorf("the registry has %d sessions", n)
	}
}

// testFormerStay: what is left of a former stay reaches nobody.
func testFormerStay(w *world) {
	w.start(socketio.ByHandshake())
	c, former := w.enters(token("ada", nil))
	_ = former.Join("of ada")
	c.Leave()
	_ = former.ended(w)
	c.Enter(token("bob", nil))
	for e := c.next(); e.Name != "connect"; e = c.next() {
		if e.Name != "disconnect" {
			w.Fatalf("the client heard %v", e)
		}
	}
	present := w.begins()
	former.Emit("answer", "for ada")
	_ = former.Join("secret")
	w.server.Broadcast("secret", "news", "for ada")
	w.server.Broadcast("of ada", "news", "for ada")
	former.session.End(errBad)
	present.Emit("answer", "for bob")
	c.hears("answer", "for bob")
	c.sends("say", "hello")
	w.handles("say hello")
	if present.Session().Token().Subject != "bob" || former.Session() == present.Session() {
		w.Error("the present stay has the session of the former")
	}
}

// next returns what the client hears next.
func (c client) next() Event {
	c.w.Helper()
	e, err := c.Next()
	if err != nil {
		c.w.Fatalf("the client heard nothing more: %v", err)
	}
	return e
}

// testRenewal: a session goes on with a new token of the same user.
func testRenewal(w *world) {
	w.start(socketio.ByHandshake())
	c, s := w.enters(token("ada", verifiertest.Claims{"jti": "1"}))
	c.authenticates(token("ada", verifiertest.Claims{"jti": "2"}))
	c.hears("authenticated")
	if s.session.Token().ID != "2" || s.Session() != s.session {
		w.Errorf("the token is %q", s.session.Token().ID)
	}
	c.authenticates(token("bob", nil))
	c.reason("unauthorized", socketio.ErrIdentityMismatch)
	c.sends("say", "hello")
	w.handles("say hello")
	if len(w.begun) != 0 || s.session.Token().Subject != "ada" {
		w.Error("a renewal has begun a session")
	}
}

// testExpiry: a session ends with its token.
func testExpiry(w *world) {
	w.start(socketio.ByHandshake())
	exp := float64(time.Now().Add(time.Second).UnixMilli()) / 1000
	c, s := w.enters(token("ada", verifiertest.Claims{"exp": exp}))
	for e := c.next(); ; e = c.next() {
		if e.Name == socketio.EventTokenExpiring {
			continue
		}
		if e.Name != "unauthorized" {
			w.Fatalf("the client heard %v", e)
		}
		break
	}
	c.hears("disconnect")
	c.hearsNoMore()
	if err := s.ended(w); !errors.Is(err, verifier.ErrTokenExpired) {
		w.Errorf("the session ended by %v", err)
	}
}

// testRevocation: a revoked user's sessions end, and no new one begins.
func testRevocation(w *world) {
	w.start(socketio.ByHandshake())
	c, s := w.enters(token("ada", nil))
	other, _ := w.enters(token("bob", nil))
	if err := w.registry.Revoke(w.Context(), socketio.Revocation{Subject: "ada"}); err != nil {
		w.Fatal(err)
	}
	c.reason("unauthorized", socketio.ErrTokenRevoked)
	c.hears("disconnect")
	c.hearsNoMore()
	_ = s.ended(w)
	w.connect(token("ada", nil)).reason("connect_error", socketio.ErrTokenRevoked)
	other.sends("say", "hello")
	w.handles("say hello")
}

// testGuests: guests are part of the application without a session.
func testGuests(w *world) {
	w.onEvent = func(c Conn, event, arg string) {
		if (c.Session() == nil) != (arg == "guest") {
			w.Errorf("%s %s: the session is %v", event, arg, c.Session())
		}
	}
	w.start(socketio.ByHandshake(), socketio.Optional())
	c := w.connect("")
	c.hears("connect")
	c.sends("say", "not for guests")
	c.sends("hello", "guest")
	w.handles("hello guest")
	w.server.Broadcast("", "news", 1)
	c.hears("news", 1)
	c.authenticates(token("ada", nil))
	c.hears("authenticated")
	w.begins()
	c.sends("say", "user")
	w.handles("say user")
	c.sends("hello", "user")
	w.handles("hello user")
}

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
	c.hearsNoMore()
}
