package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// The scopes of a token in a soak: what it needs to chat, and what only to listen.
const (
	chats   = "chat:read chat:write"
	listens = "chat:read"
)

// visit is one socket's life in a soak.
type visit struct {
	s           *soaking
	turn        int
	subject     string
	node, other *node // where it lives, and where things are done to it
	c           client

	conn *connection
	met  []string // the refusals that it had to meet: reason and why
}

// lives are what a socket may do in a soak. It fails at the first thing that goes
// otherwise than it should.
var lives = []struct {
	name string
	lead func(v *visit) error
}{
	{"disconnected", func(v *visit) error {
		return v.enter(chats, time.Hour)
	}},
	{"renewed", func(v *visit) error {
		if err := v.enter(chats, time.Hour); err != nil {
			return err
		}
		if err := v.renew(chats); err != nil {
			return err
		}
		if err := v.conn.chat("after the renewal"); err != nil {
			return err
		}
		if err := v.renew(listens); err != nil {
			return err
		}
		return v.forbidden("chat", "chat", "an event after a renewal with fewer scopes")
	}},
	{"expired", func(v *visit) error {
		began := time.Now()
		const why = "the end of a token"
		err := v.enter(chats, shortLife)
		if err == nil {
			err = v.ended(expired, why)
		} else if told(err) == expired { // on a busy machine it ends while the socket comes
			v.met, err = append(v.met, expired+": "+why), nil
		}
		if err != nil {
			return err
		}
		if took := time.Since(began); took < shortLife-1100*time.Millisecond {
			return fmt.Errorf("a session ended after %v, its token lasted longer", took)
		}
		return nil
	}},
	{"revoked", func(v *visit) error {
		if err := v.enter(chats, time.Hour); err != nil {
			return err
		}
		if err := v.revoke(); err != nil {
			return err
		}
		return v.ended("token_revoked", "revoked at another node")
	}},
	{"replaced", func(v *visit) error {
		if err := v.enter(chats, time.Hour); err != nil {
			return err
		}
		for range sessionsEach {
			newer, err := v.client(v.other).open(v.token(chats, time.Hour), false)
			if err != nil {
				return fmt.Errorf("a newer session: %w", err)
			}
			defer newer.leave()
		}
		return v.ended("session_limit", "newer sessions of the user at another node")
	}},
	{"forbidden", func(v *visit) error {
		if err := v.open(listens, time.Hour); err != nil {
			return err
		}
		if err := v.forbidden("chat", "chat", "an event without its scope"); err != nil {
			return err
		}
		return v.forbidden("join", "crowd", "a room without its scope")
	}},
	{"refused", func(v *visit) error { return v.refused() }},
}

const expired = "token_expired"

// shortLife is that of tokens which are to expire: exp is in whole seconds.
const shortLife = 4 * time.Second

// token signs one for the visitor.
func (v *visit) token(scope string, lasting time.Duration) string {
	return v.s.issuer.TokenBy(v.s.key, nil, verifiertest.Claims{"sub": v.subject, "aud": audience, "scope": scope, "exp": time.Now().Add(lasting).Unix()})
}

// client is the visitor's at a node.
func (v *visit) client(n *node) client {
	c := n.c.of(v.c.eio, n.mode)
	c.upgrade = v.c.upgrade
	return c
}

// open opens the visitor's socket.
func (v *visit) open(scope string, lasting time.Duration) (err error) {
	if v.conn, err = v.c.open(v.token(scope, lasting), false); err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	return nil
}

// enter opens the visitor's socket and chats.
func (v *visit) enter(scope string, lasting time.Duration) error {
	if err := v.open(scope, lasting); err != nil {
		return err
	}
	return v.conn.chat("hello from " + v.subject)
}

// renew presents another token.
func (v *visit) renew(scope string) error {
	if err := v.conn.write(`42["authenticate",` + object(v.token(scope, time.Hour)) + `]`); err != nil {
		return err
	}
	return v.conn.until(`42["authenticated"`)
}

// forbidden sends an event, and expects to hear that it, or the room that it would enter,
// is forbidden.
func (v *visit) forbidden(event, what, why string) error {
	if err := v.conn.write(`42["` + event + `","something"]`); err != nil {
		return err
	}
	err := v.conn.until("nothing")
	if told(err) != "insufficient_scope" || !strings.Contains(err.Error(), `"`+what+`"`) {
		return fmt.Errorf("%s: expected to hear that it is forbidden: %w", why, err)
	}
	v.met = append(v.met, "insufficient_scope: "+why)
	return nil
}

// revoke revokes the visitor's tokens at the other node.
func (v *visit) revoke() error {
	res, err := http.PostForm(v.other.p.url+"/revoke", url.Values{"sub": {v.subject}, "for": {"1m"}})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var r report
	if err := json.NewDecoder(res.Body).Decode(&r); err != nil {
		return err
	}
	if r.Trouble == "" {
		return nil
	}
	return v.s.excuse(v, notShared, r.Trouble)
}

// ended waits until the server has ended the session, for the reason.
func (v *visit) ended(reason, why string) error {
	err := v.conn.until("nothing")
	if told(err) != reason {
		return fmt.Errorf("%s, after hearing %.200s: %w", why, v.conn.heard, err)
	}
	v.met = append(v.met, reason+": "+why)
	for {
		p, err := v.conn.read()
		switch {
		case isTimeout(err):
			return errors.New("the session did not end")
		case err != nil, isEnd(p):
			return nil
		}
	}
}

// refused comes with something that no server accepts.
func (v *visit) refused() error {
	intruders := v.s.intruders
	who := intruders[v.turn%len(intruders)]
	conn, err := v.c.open(who.token(), false)
	if err == nil {
		conn.leave()
		return fmt.Errorf("%s was accepted", who.name)
	}
	if told(err) != who.reason {
		return fmt.Errorf("%s, expected %s: %w", who.name, who.reason, err)
	}
	v.met = append(v.met, who.reason+": "+who.name)
	return nil
}

// intruder is a client that no server accepts.
type intruder struct {
	name, reason string
	token        func() string
}

// What a client is told that is told no reason.
const (
	noReason = "closed without a reason"
	noAnswer = "no answer"
)

// told is the reason of a refusal, or what there is instead of one.
func told(err error) string {
	switch m := (*websocket.CloseError)(nil); {
	case err == nil:
		return ""
	case errors.Is(err, errRefused):
		if m := reason.FindStringSubmatch(err.Error()); m != nil {
			return m[1]
		}
		return noReason
	case errors.As(err, &m) && m.Code != websocket.CloseAbnormalClosure:
		return noReason
	case isTimeout(err):
		return noAnswer
	}
	return noNetwork
}

// chat says something and waits to hear it.
func (s *connection) chat(text string) error {
	if err := s.write(`42["chat","` + text + `"]`); err != nil {
		return err
	}
	return s.until(`42["chat","` + text + `"`)
}

// until reads up to a packet that begins so. It returns errRefused if it hears
// "unauthorized" instead.
func (s *connection) until(prefix string) error {
	for {
		p, err := s.read()
		switch {
		case err != nil:
			return fmt.Errorf("waiting for %s: %w", prefix, err)
		case strings.HasPrefix(p, prefix):
			return nil
		case isRefusal(p):
			return fmt.Errorf("waiting for %s: %w: %s", prefix, errRefused, p)
		case isEnd(p):
			return fmt.Errorf("waiting for %s: %w: the socket was disconnected", prefix, errRefused)
		}
	}
}

// isEnd reports whether a packet disconnects the socket, though not perhaps the
// connection.
func isEnd(packet string) bool { return packet == "41" || strings.HasPrefix(packet, "44") }
