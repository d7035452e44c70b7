package tickets_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/httpauth"
	"github.com/seed15b1dee8/socketio-jwt/socketio/tickets"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// TestAsking: who gets a ticket, and who does not.
func TestAsking(t *testing.T) {
	n := newNode(t, tickets.Options{})
	cookie := "session=" + token("ada")
	for _, row := range []struct {
		name, method string
		headers      []string
		status       int
	}{
		{"a bearer token", "POST", bearer("ada"), 200},
		{"a cookie", "POST", []string{"Cookie", cookie, "Origin", "http://chat.example"}, 200},
		{"nothing", "POST", nil, 401},
		{"a bad token", "POST", []string{"Authorization", "Bearer x"}, 401},
		{"GET", "GET", bearer("ada"), 405},
		{"a cookie without an origin", "POST", []string{"Cookie", cookie}, 403},
		{"a cookie of another origin's page", "POST", []string{"Cookie", cookie, "Origin", "https://evil.example"}, 403},
		{"a cookie of a sandboxed page", "POST", []string{"Cookie", cookie, "Origin", "null"}, 403},
	} {
		if w := n.ask(row.method, row.headers...); w.Code != row.status {
			t.Errorf("%s: %d, want %d", row.name, w.Code, row.status)
		}
	}
}

// TestNoToken: who has no token that could be presented later gets no ticket: a guest, and
// who authenticated by something else.
func TestNoToken(t *testing.T) {
	for name, auth := range map[string]socketio.Authenticator{
		"a guest": socketio.AuthenticatorFunc(func(context.Context, *verifier.Handshake) (*verifier.Token, error) {
			return nil, &verifier.UnauthorizedError{Code: verifier.CodeCredentialsRequired, Reason: verifier.ErrTokenMissing}
		}),
		"no text": socketio.AuthenticatorFunc(func(context.Context, *verifier.Handshake) (*verifier.Token, error) {
			return &verifier.Token{}, nil
		}),
	} {
		guard, err := httpauth.New(auth, socketio.NewRegistry(nil), &httpauth.Options{Policy: []socketio.Option{socketio.Optional()}})
		if err != nil {
			t.Fatal(err)
		}
		n := &node{}
		if n.tickets, err = tickets.New(guard, nil); err != nil {
			t.Fatal(err)
		}
		if w := n.ask("POST", "Authorization", "Basic YTpi"); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "no token") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// TestForged: what was not issued with these secrets is not a ticket, in any spelling.
func TestForged(t *testing.T) {
	n, other := newNode(t, tickets.Options{}), newNode(t, tickets.Options{})
	ticket := n.ticket(t, bearer("ada")...)
	if strings.Contains(ticket, ".") || strings.Contains(ticket, token("ada")[:20]) {
		t.Error("the ticket shows the token")
	}
	for name, forged := range map[string]string{
		"another secret":     other.ticket(t, bearer("ada")...),
		"no ticket":          "x",
		"not base64url":      "!!!!",
		"a token":            token("ada"),
		"padding":            ticket + "=",
		"a line break":       ticket[:10] + "\n" + ticket[10:],
		"cut off":            ticket[:len(ticket)-2],
		"another first byte": "A" + ticket[1:],
		"too long":           strings.Repeat("A", 40_000),
		"salt only":          ticket[:22],
	} {
		if name == "another first byte" && ticket[0] == 'A' {
			continue
		}
		_, err := n.use(forged)
		expectInvalid(t, err, "")
		if err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	// None of these used the ticket up.
	if who, err := n.use(ticket); who != "ada" || err != nil {
		t.Errorf("%q, %v", who, err)
	}
}

// TestSecretsRotate: a new secret encrypts while tickets of the old one are good.
func TestSecretsRotate(t *testing.T) {
	store, next := &sharedStore{}, []byte("the next secret of the tests, also long enough")
	old := newNode(t, tickets.Options{Store: store, Secrets: [][]byte{secret}})
	both := newNode(t, tickets.Options{Store: store, Secrets: [][]byte{next, secret}})
	if who, err := both.use(old.ticket(t, bearer("ada")...)); who != "ada" || err != nil {
		t.Errorf("a ticket of the old secret: %q, %v", who, err)
	}
	_, err := old.use(both.ticket(t, bearer("ada")...))
	expectInvalid(t, err, "not issued with these secrets")
}

func TestMisuse(t *testing.T) {
	guard, err := httpauth.New(verifiertest.Accept(nil), socketio.NewRegistry(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func() error{
		"no guard": func() error { _, err := tickets.New(nil, nil); return err },
		"a short secret": func() error {
			_, err := tickets.New(guard, &tickets.Options{Secrets: [][]byte{[]byte("short")}})
			return err
		},
		"a shared store without secrets": func() error {
			_, err := tickets.New(guard, &tickets.Options{Store: &sharedStore{}})
			return err
		},
		"an hour": func() error { _, err := tickets.New(guard, &tickets.Options{Lifetime: time.Hour}); return err },
		"no time": func() error { _, err := tickets.New(guard, &tickets.Options{Lifetime: -1}); return err },
		"a secret that lacks a byte": func() error {
			_, err := tickets.New(guard, &tickets.Options{Secrets: [][]byte{secret[:tickets.MinSecret-1]}})
			return err
		},
		"less than a second":     func() error { _, err := tickets.New(guard, &tickets.Options{Lifetime: time.Second - 1}); return err },
		"more than five minutes": func() error { _, err := tickets.New(guard, &tickets.Options{Lifetime: 5*time.Minute + 1}); return err },
	} {
		if err := make(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, d := range []time.Duration{time.Second, 5 * time.Minute} {
		if _, err := tickets.New(guard, &tickets.Options{Lifetime: d, Secrets: [][]byte{secret[:tickets.MinSecret]}}); err != nil {
			t.Error(err)
		}
	}
}
