// Package tickets issues one-time tickets: a client trades its credentials, a token
// in a header or a session cookie, for a ticket, and opens a socket with that. Start
// with [New].
//
// Use tickets where the socket's handshake cannot carry the credentials themselves: a
// browser cannot set headers on a websocket, a token in a URL ends up in logs (RFC
// 9700 §4.3.2), and a cookie that scripts cannot read may be sent to another host
// than that of the sockets.
//
//	t, err := tickets.New(guard, nil)   // guard is of package httpauth
//	http.Handle("POST /ticket", t)
//	v, err := verifier.New(keys, verifier.WithExtractor(t.Ticket()))
//
// # What it promises
//
// A ticket is good once, for 30 seconds, from the page's origin it was issued to, and
// where [Options.Bind] says so only beside the same cookie. It is encrypted: who reads
// it in a log learns nothing, and who reads the [Store] finds nothing but random ids.
// A ticket stands for the token it was issued for. The verifier checks that token when
// the socket opens, as any other: its expiry, its claims, its revocation.
//
// # What it does not do
//
// It does not prove possession: a token bound by DPoP needs its proof at the socket
// too. It says nothing about renewals: a client renews by another ticket, or a token.
package tickets

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/httpauth"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// The defaults of [Options], and the bounds of its secrets.
const (
	DefaultLifetime = 30 * time.Second
	DefaultName     = "ticket"
	MinSecret       = 32 // bytes
)

// The reasons of tickets that are refused.
const (
	ErrInvalid     verifier.Reason = "ticket_invalid"     // used, expired, of another origin, or no ticket: the log says which
	ErrUnavailable verifier.Reason = "ticket_unavailable" // whether it was used cannot be told now; retryable
)

// Store remembers which tickets were used. Add notes an id, which need not be kept
// after the time until, and reports whether it is new; it must do so in one step. An
// error refuses the client with [ErrUnavailable]. Add is called from many goroutines
// at once. redisstore.Used is a Store for several processes.
type Store interface {
	Add(ctx context.Context, id string, until time.Time) (added bool, err error)
}

// Options sets up [Tickets]. The zero value is for one process.
type Options struct {
	// Secrets encrypt tickets, each of [MinSecret] random bytes or more. The first
	// one encrypts, all decrypt, so that they can be changed without a break. All
	// processes need the same ones. By default there is a random one, for this
	// process.
	Secrets [][]byte

	// Store is shared by all processes. By default used tickets are remembered in
	// this process.
	Store Store

	// Lifetime is how long a ticket is good for: [DefaultLifetime] by default, at
	// most five minutes.
	Lifetime time.Duration

	// Bind ties a ticket to something else that the browser presents, such as the
	// session cookie ([Cookie]): it must return the same for the request that gets
	// the ticket and for the handshake that uses it, and never "" for both. Then a
	// ticket is of no use in another user's browser. There is none by default.
	Bind func(h *verifier.Handshake) string

	// Name is that of the ticket, in the query, the auth payload and the event
	// "authenticate": [DefaultName] by default.
	Name string

	// Clock is [time.Now] by default.
	Clock func() time.Time
}

// Tickets issues tickets and takes them back. It is an [http.Handler] and safe for
// concurrent use.
type Tickets struct {
	handler http.Handler
	o       Options
}

// ServeHTTP answers a POST that the guard admits with a ticket, in JSON:
// {"ticket": "...", "expires_in": 30}.
func (t *Tickets) ServeHTTP(w http.ResponseWriter, r *http.Request) { t.handler.ServeHTTP(w, r) }

// New makes tickets for the requests that the guard admits. Nil options are the
// defaults.
func New(guard *httpauth.Guard, o *Options) (*Tickets, error) {
	if guard == nil {
		return nil, errors.New("tickets: New: the guard is nil: make it with httpauth.New")
	}
	t := &Tickets{}
	if o != nil {
		t.o = *o
	}
	if t.o.Store != nil && len(t.o.Secrets) == 0 {
		return nil, errors.New("tickets: New: a Store that processes share needs Secrets that they share")
	}
	if len(t.o.Secrets) == 0 {
		secret := make([]byte, MinSecret)
		rand.Read(secret) // never fails
		t.o.Secrets = [][]byte{secret}
	}
	t.o.Secrets = slices.Clone(t.o.Secrets)
	for i, secret := range t.o.Secrets {
		if len(secret) < MinSecret {
			return nil, fmt.Errorf("tickets: New: a secret has %d bytes: expected %d or more", len(secret), MinSecret)
		}
		t.o.Secrets[i] = slices.Clone(secret)
	}
	if t.o.Lifetime == 0 {
		t.o.Lifetime = DefaultLifetime
	}
	if t.o.Lifetime < time.Second || t.o.Lifetime > maxLifetime {
		return nil, fmt.Errorf("tickets: New: Lifetime is %v: expected between a second and %v", t.o.Lifetime, maxLifetime)
	}
	if t.o.Name == "" {
		t.o.Name = DefaultName
	}
	if t.o.Clock == nil {
		t.o.Clock = time.Now
	}
	if t.o.Store == nil {
		t.o.Store = &memory{now: t.o.Clock, used: make(map[string]time.Time)}
	}
	t.handler = guard.Require(http.HandlerFunc(t.issue))
	return t, nil
}

const (
	maxLifetime = 5 * time.Minute
	maxSkew     = time.Minute // between the clocks of processes
)

// issue answers an admitted POST with {"ticket": ..., "expires_in": seconds}.
func (t *Tickets) issue(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		h.Set("Allow", http.MethodPost)
		http.Error(w, "a ticket is asked for by POST", http.StatusMethodNotAllowed)
		return
	}
	origin := r.Header.Get("Origin")
	// Browsers send an origin with every POST. Without one a cookie is nobody's word.
	if origin == "" && r.Header.Get("Authorization") == "" {
		http.Error(w, "the request has neither an Origin nor an Authorization header", http.StatusForbidden)
		return
	}
	token := httpauth.Token(r.Context())
	if token == nil || token.Raw() == "" {
		http.Error(w, "there is no token to issue a ticket for", http.StatusForbidden)
		return
	}
	hs := verifier.HandshakeFromRequest(r)
	bound, err := t.bound(hs)
	if err != nil {
		http.Error(w, "what the ticket is bound to is missing", http.StatusForbidden)
		return
	}
	ticket := t.seal(content{Token: token.Raw(), Origin: normalOrigin(origin), Bound: bound, Issued: t.o.Clock().UnixMilli()})
	h.Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(struct {
		Ticket    string `json:"ticket"`
		ExpiresIn int    `json:"expires_in"`
	}{ticket, int(t.o.Lifetime / time.Second)}) // a client that went away misses nothing
}

// Cookie binds tickets to the named cookie: see [Options.Bind].
func Cookie(name string) func(h *verifier.Handshake) string {
	cookie := verifier.Cookie(name)
	return func(h *verifier.Handshake) string {
		value, err := cookie.Extract(context.Background(), h)
		if err != nil {
			return ""
		}
		return value
	}
}
