package bindingtest

import (
	"errors"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

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
	c.hearsNothingElse()
	other.sends("say", "hello")
	w.handles("say hello")
	if s.Session() != s.session {
		w.Error("the socket has lost its session")
	}
}

// testEndDuringEvent: nothing is sent behind the end of a session, and what the client
// sent behind the event is not handled.
func testEndDuringEvent(w *world) {
	arrived := make(chan struct{})
	proceed, release := w.latch()
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
	if c.Emit(true, "bye", "") != nil {
		c.sends("bye", "")
	}
	w.arrives(arrived)
	c.sends("say", "late")
	release()
	c.told("unauthorized", errBad)
	c.hears("disconnect")
	c.hearsNothingElse()
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
	c.hearsNothingElse()
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
	c.hearsNothingElse()
	_ = s.ended(w)
	w.connect(token("ada", nil)).reason("connect_error", socketio.ErrTokenRevoked)
	other.sends("say", "hello")
	w.handles("say hello")
}

// testLiveness: a user whose connection is dead gets in again, and one whose connection is
// alive does not, nor does the question cost that connection anything.
func testLiveness(w *world) {
	arrived := make(chan struct{})
	proceed, release := w.latch()
	w.onEvent = func(_ Conn, event, _ string) {
		if event == "bye" {
			close(arrived)
			<-proceed
		}
	}
	w.start(socketio.ByEvent(), socketio.SessionLimit(1, socketio.RejectNewest))
	login := func() client {
		c := w.connect("")
		c.hears("connect")
		c.authenticates(token("ada", nil))
		return c
	}
	c := login()
	c.hears("authenticated")
	first := w.begins()
	rejected := func() {
		w.Helper()
		login().reason("unauthorized", socketio.ErrSessionLimit)
		if c.hearsNothingElse(); first.session.Context().Err() != nil {
			w.Fatalf("the session of a live client ended: %v", first.ended(w))
		}
	}
	rejected()
	c.sends("bye", "")
	w.arrives(arrived)
	rejected() // although the handler of the live client's event waits
	release()
	w.handles("bye ")
	if w.binding.NoLiveness {
		return
	}
	c.Vanish()
	again := login()
	again.hears("authenticated")
	w.begins()
	if err := first.ended(w); !errors.Is(err, socketio.ErrSessionLimit) {
		w.Errorf("the session of a dead client ended by %v", err)
	}
	again.sends("say", "hello")
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
