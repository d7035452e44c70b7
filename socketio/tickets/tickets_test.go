package tickets_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/httpauth"
	"github.com/seed15b1dee8/socketio-jwt/socketio/tickets"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// node is one process: its tickets, and the verifier of its sockets.
type node struct {
	tickets *tickets.Tickets
	sockets *verifier.Verifier
	clock   *verifiertest.Clock
}

var secret = []byte("a secret of the tests of tickets, of 32 bytes and more")

// sharedStore is what Redis is for processes: one step tells whether an id is new.
type sharedStore struct {
	mu   sync.Mutex
	used map[string]bool
	last time.Time // until when to keep the last one
	err  error
}

func (s *sharedStore) Add(_ context.Context, id string, until time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = until
	if s.err != nil {
		return false, s.err
	}
	if s.used == nil {
		s.used = make(map[string]bool)
	}
	fresh := !s.used[id]
	s.used[id] = true
	return fresh, nil
}

var issuer = verifiertest.NewIssuer("https://login.example/")

// newNode makes a process. Its requests are authenticated by header or by the cookie
// "session", its sockets by a ticket, or a token in the cookie.
func newNode(t testing.TB, o tickets.Options) *node {
	t.Helper()
	n := &node{clock: verifiertest.NewClock(time.Now())}
	web, err := verifier.New(issuer, verifier.WithExtractor(verifier.OneOf(verifier.BearerHeader(), verifier.Cookie("session"))), verifier.WithClock(n.clock.Now))
	if err != nil {
		t.Fatal(err)
	}
	guard, err := httpauth.New(web, socketio.NewRegistry(nil), &httpauth.Options{
		TrustedOrigins: []string{"https://app.example"},
		Policy:         []socketio.Option{socketio.WithLogger(slog.New(slog.DiscardHandler))},
	})
	if err != nil {
		t.Fatal(err)
	}
	o.Clock = n.clock.Now
	if n.tickets, err = tickets.New(guard, &o); err != nil {
		t.Fatal(err)
	}
	n.sockets, err = verifier.New(issuer, verifier.WithExtractor(verifier.OneOf(n.tickets.Ticket(), verifier.Cookie("token"))), verifier.WithClock(n.clock.Now))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func token(sub string) string { return issuer.Token(verifiertest.Claims{"sub": sub}) }

// ask asks for a ticket. Headers are given as name, value, ...
func (n *node) ask(method string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://chat.example/ticket", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	n.tickets.ServeHTTP(w, r)
	return w
}

func (n *node) ticket(t testing.TB, headers ...string) string {
	t.Helper()
	w := n.ask("POST", headers...)
	var answer struct {
		Ticket    string
		ExpiresIn int `json:"expires_in"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 || answer.Ticket == "" || answer.ExpiresIn != 30 {
		t.Fatalf("no ticket: %d %s", w.Code, w.Body)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Error("the ticket may be kept by caches")
	}
	return answer.Ticket
}

// use opens a socket with a ticket in the query, and returns whose it is.
func (n *node) use(ticket string, headers ...string) (string, error) {
	h := &verifier.Handshake{Host: "chat.example", Header: http.Header{}, Query: url.Values{"ticket": {ticket}}, Namespace: "/"}
	for i := 0; i < len(headers); i += 2 {
		h.Header.Add(headers[i], headers[i+1])
	}
	token, err := n.sockets.Authenticate(context.Background(), h)
	if err != nil {
		return "", err
	}
	return token.Subject, nil
}

func bearer(sub string) []string { return []string{"Authorization", "Bearer " + token(sub)} }

func expectInvalid(t *testing.T, err error, cause string) {
	t.Helper()
	if !errors.Is(err, tickets.ErrInvalid) || !strings.Contains(err.Error(), cause) {
		t.Errorf("the error is %v, want ticket_invalid because %s", err, cause)
	}
	shown, _ := json.Marshal(verifier.AsUnauthorized(err))
	if want := `{"message":"ticket invalid","code":"invalid_token","type":"UnauthorizedError","reason":"ticket_invalid","retryable":false}`; err != nil && string(shown) != want {
		t.Errorf("the client is shown %s", shown)
	}
}

// TestTwoNodes: a ticket that one node issues is good once, on any of them.
func TestTwoNodes(t *testing.T) {
	store := &sharedStore{}
	o := tickets.Options{Secrets: [][]byte{secret}, Store: store}
	a, b := newNode(t, o), newNode(t, o)
	for _, row := range []struct {
		name          string
		issue, first  *node
		second, third *node
	}{
		{"used where it was issued", a, a, b, a},
		{"used elsewhere", a, b, a, b},
	} {
		ticket := row.issue.ticket(t, bearer("ada")...)
		if who, err := row.first.use(ticket); who != "ada" || err != nil {
			t.Errorf("%s: %q, %v", row.name, who, err)
		}
		// It lives for 30 seconds, and clocks may differ by a minute either way.
		if until := time.UnixMilli(row.issue.clock.Now().UnixMilli()).Add(150 * time.Second); !store.last.Equal(until) {
			t.Errorf("%s: it is remembered until %v, want %v", row.name, store.last, until)
		}
		for _, n := range []*node{row.second, row.third} {
			_, err := n.use(ticket)
			expectInvalid(t, err, "used before")
		}
	}

	// Many at once, on both: one gets in.
	ticket := a.ticket(t, bearer("ada")...)
	var mu sync.Mutex
	var all sync.WaitGroup
	in := 0
	for i := range 40 {
		all.Go(func() {
			if _, err := []*node{a, b}[i%2].use(ticket); err == nil {
				mu.Lock()
				in++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if in != 1 {
		t.Errorf("%d got in at once with one ticket", in)
	}
}

func TestLate(t *testing.T) {
	n := newNode(t, tickets.Options{})
	early, late := n.ticket(t, bearer("ada")...), n.ticket(t, bearer("ada")...)
	n.clock.Advance(30*time.Second - time.Millisecond)
	if who, err := n.use(early); who != "ada" || err != nil {
		t.Errorf("in time: %q, %v", who, err)
	}
	n.clock.Advance(time.Millisecond)
	_, err := n.use(late)
	expectInvalid(t, err, "expired")
	n.clock.Advance(-5 * time.Minute)
	_, err = n.use(late)
	expectInvalid(t, err, "ahead of this clock")
	n.clock.Advance(time.Minute)
	ahead := n.ticket(t, bearer("ada")...)
	n.clock.Advance(-time.Minute)
	if who, err := n.use(ahead); who != "ada" || err != nil {
		t.Errorf("issued by a process whose clock is a minute ahead: %q, %v", who, err)
	}
	// A process whose clock is behind does not take a used ticket again, either.
	_, err = n.use(early)
	expectInvalid(t, err, "")
}

// TestOrigins: a ticket is good for pages of the origin that got it.
func TestOrigins(t *testing.T) {
	const own, app, evil = "http://chat.example", "https://app.example", "https://evil.example"
	for _, row := range []struct {
		name  string
		asked []string // headers of the request, with a cookie
		used  []string // headers of the handshake
		want  bool
	}{
		{"a websocket of the own origin", []string{"Origin", own}, []string{"Origin", own}, true},
		{"a poll of the own origin", []string{"Origin", own}, []string{"Sec-Fetch-Site", "same-origin"}, true},
		{"a poll of the own origin, of an old browser", []string{"Origin", own}, nil, true},
		{"a websocket of a trusted origin", []string{"Origin", app}, []string{"Origin", app}, true},
		{"an origin with its default port", []string{"Origin", app}, []string{"Origin", "https://APP.example:443"}, true},
		{"another origin", []string{"Origin", own}, []string{"Origin", evil}, false},
		{"another scheme", []string{"Origin", app}, []string{"Origin", "http://app.example"}, false},
		{"another port", []string{"Origin", app}, []string{"Origin", app + ":8443"}, false},
		{"a sandboxed page", []string{"Origin", own}, []string{"Origin", "null"}, false},
		{"an origin that cannot be read", []string{"Origin", own}, []string{"Origin", "http://%zz"}, false},
		{"an empty origin", []string{"Origin", own}, []string{"Origin", ""}, true},
		{"two origins", []string{"Origin", own}, []string{"Origin", own, "Origin", evil}, false},
		{"a script tag of another site", []string{"Origin", own}, []string{"Sec-Fetch-Site", "cross-site"}, false},
		{"a script tag of a sibling", []string{"Origin", own}, []string{"Sec-Fetch-Site", "same-site"}, false},
		{"no origin for a ticket of another origin", []string{"Origin", app}, nil, false},
		{"no page at all", []string{"Authorization", ""}, nil, true},
		{"no page, and a library that names the server", []string{"Authorization", ""}, []string{"Origin", own}, true},
		{"no page, and then one of another origin", []string{"Authorization", ""}, []string{"Origin", evil}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			n := newNode(t, tickets.Options{})
			headers := append([]string{"Cookie", "session=" + token("ada")}, row.asked...)
			if row.asked[0] == "Authorization" {
				headers = bearer("ada")
			}
			ticket := n.ticket(t, headers...)
			who, err := n.use(ticket, row.used...)
			if row.want {
				if who != "ada" || err != nil {
					t.Errorf("%q, %v", who, err)
				}
				return
			}
			expectInvalid(t, err, "for the origin")
			// A ticket that was tried somewhere else is used up.
			_, err = n.use(ticket, row.asked...)
			expectInvalid(t, err, "used before")
		})
	}
}

// TestAnotherUser: a ticket does not make somebody else of a socket.
func TestAnotherUser(t *testing.T) {
	n := newNode(t, tickets.Options{Bind: tickets.Cookie("session")})
	session := []string{"Cookie", "session=" + token("ada"), "Origin", "http://chat.example"}
	if who, err := n.use(n.ticket(t, session...), session...); who != "ada" || err != nil {
		t.Fatalf("in the same browser: %q, %v", who, err)
	}
	_, err := n.use(n.ticket(t, session...), "Cookie", "session="+token("mallory"), "Origin", "http://chat.example")
	expectInvalid(t, err, "bound")
	_, err = n.use(n.ticket(t, session...), "Origin", "http://chat.example")
	expectInvalid(t, err, "bound")
	if w := n.ask("POST", bearer("ada")...); w.Code != http.StatusForbidden {
		t.Errorf("a ticket that would be bound to nothing: %d", w.Code)
	}

	// A socket that presents its own token, without a ticket and beside one.
	n = newNode(t, tickets.Options{})
	if who, err := n.use("", "Cookie", "token="+token("ada")); who != "ada" || err != nil {
		t.Errorf("without a ticket: %q, %v", who, err)
	}
	_, err = n.use(n.ticket(t, bearer("ada")...), "Cookie", "token="+token("mallory"))
	if !errors.Is(err, verifier.ErrTokenConflict) {
		t.Errorf("two users in one handshake: %v", err)
	}
}

// TestRefusedByTheOtherNode: a ticket of one node is refused by the other one if it comes
// late, from another origin or with another user's cookie. After that the first node
// refuses it, too.
func TestRefusedByTheOtherNode(t *testing.T) {
	const origin = "http://chat.example"
	session := []string{"Cookie", "session=" + token("ada"), "Origin", origin}
	for _, row := range []struct {
		name  string
		later time.Duration
		used  []string
		cause string
	}{
		{"late", 31 * time.Second, session, "expired"},
		{"another origin", 0, []string{"Cookie", session[1], "Origin", "https://evil.example"}, "for the origin"},
		{"another user", 0, []string{"Cookie", "session=" + token("mallory"), "Origin", origin}, "bound"},
		{"no cookie", 0, []string{"Origin", origin}, "bound"},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := tickets.Options{Secrets: [][]byte{secret}, Store: &sharedStore{}, Bind: tickets.Cookie("session")}
			a, b := newNode(t, o), newNode(t, o)
			ticket := a.ticket(t, session...)
			a.clock.Advance(row.later)
			b.clock.Advance(row.later)
			_, err := b.use(ticket, row.used...)
			expectInvalid(t, err, row.cause)
			if _, err = a.use(ticket, session...); !errors.Is(err, tickets.ErrInvalid) {
				t.Errorf("then on the first node: %v", err)
			}
			if who, err := b.use(a.ticket(t, session...), session...); who != "ada" || err != nil {
				t.Errorf("a new ticket: %q, %v", who, err)
			}
		})
	}
}

// TestStoreLost: an error is not an answer, and the client may come back.
func TestStoreLost(t *testing.T) {
	store := &sharedStore{}
	n := newNode(t, tickets.Options{Store: store, Secrets: [][]byte{secret}})
	ticket := n.ticket(t, bearer("ada")...)
	store.err = errors.New("lost")
	_, err := n.use(ticket)
	if !errors.Is(err, tickets.ErrUnavailable) || !verifier.AsUnauthorized(err).Retryable {
		t.Errorf("the error is %v", err)
	}
}

// TestTheTokenDecides: a ticket for a token that has expired meanwhile opens nothing.
func TestTheTokenDecides(t *testing.T) {
	n := newNode(t, tickets.Options{})
	short := issuer.Token(verifiertest.Claims{"sub": "ada", "exp": n.clock.Now().Add(10 * time.Second).Unix()})
	ticket := n.ticket(t, "Authorization", "Bearer "+short)
	n.clock.Advance(20 * time.Second)
	if _, err := n.use(ticket); !errors.Is(err, verifier.ErrTokenExpired) {
		t.Errorf("the error is %v", err)
	}
}
