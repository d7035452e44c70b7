package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// accept is the authenticator of these examples: every client is ada.
var accept = socketio.AuthenticatorFunc(func(context.Context, *verifier.Handshake) (*verifier.Token, error) {
	return &verifier.Token{Issuer: "issuer", Subject: "ada"}, nil
})

// How a client authenticates, and how long it may take.
func ExampleByEvent() {
	_, err := socketio.New(accept,
		socketio.ByEvent(), // or ByHandshake
		socketio.Timeout(10*time.Second),
		socketio.MaxAttempts(5),
		socketio.DisconnectAfter(time.Second), // or DisconnectNow
	)
	fmt.Println(err)
	_, err = socketio.New(accept, socketio.ByEvent(), socketio.DisconnectNow(), socketio.DisconnectAfter(time.Second))
	fmt.Println(err != nil) // options that contradict each other
	// Output:
	// <nil>
	// true
}

// Your value for each user, and guests.
func ExampleUser() {
	a, err := socketio.New(accept,
		socketio.ByHandshake(), socketio.Optional(),
		socketio.User(func(_ context.Context, t *verifier.Token, _ *verifier.Handshake) (any, error) {
			if t.Subject == "mallory" {
				return nil, errors.New("blocked") // the client learns only that it was refused
			}
			return "user " + t.Subject, nil
		}))
	if err != nil {
		fmt.Println(err)
		return
	}
	h := &verifier.Handshake{Namespace: "/"}
	pass, err := a.Admit(context.Background(), h)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(a.Attach(printer{}, h, pass).Session().User())
	// Output:
	// open ""
	// user ada
}

// What happens to sessions, for your program.
func ExampleOnFailure() {
	_, err := socketio.New(accept,
		socketio.OnSuccess(func(s *socketio.Session) { fmt.Println(s.Token().Subject, "is here") }),
		socketio.OnRenewed(func(s *socketio.Session) { fmt.Println(s.Token().Subject, "renewed") }),
		socketio.OnFailure(func(h *verifier.Handshake, err *verifier.UnauthorizedError) { fmt.Println(err.Reason) }),
		socketio.Audit(slog.New(slog.DiscardHandler)),
		socketio.WithLogger(slog.New(slog.DiscardHandler)),
		socketio.NeutralMessages(),
	)
	fmt.Println(err)
	// Output: <nil>
}

// How long a session lasts.
func ExampleExpiryNotice() {
	_, err := socketio.New(accept,
		socketio.ExpiryNotice("token_expiring", 2*time.Minute),
		socketio.ExpiryGrace(5*time.Second),
		socketio.MaxSessionAge(12*time.Hour),
		socketio.SameIdentity(func(old, renewed *verifier.Token) bool { return old.SessionID == renewed.SessionID }),
		socketio.EndOnFailedRenewal(),
	)
	fmt.Println(err)
	_, err = socketio.New(accept, socketio.IgnoreExpiration()) // as in socketio-jwt
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
}

// Sessions that end although their token has not expired.
func ExampleEndOnWithdrawnKey() {
	keys := verifier.KeyProviderFunc(func(context.Context, *verifier.UnverifiedToken) ([]*verifier.Key, error) { return nil, nil })
	_, err := socketio.New(accept, socketio.EndOnWithdrawnKey(keys, time.Minute))
	fmt.Println(err)

	issuer := verifier.IntrospectorFunc(func(context.Context, string) ([]byte, error) { return []byte(`{"active":true}`), nil })
	_, err = socketio.New(accept, socketio.EndOnInactiveToken(issuer, time.Minute))
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
}

// Limits for users, unauthenticated clients and forged tokens.
func ExampleSessionLimit() {
	registry := socketio.NewRegistry(nil) // shared by namespaces
	defer registry.Close()
	_, err := socketio.New(accept,
		socketio.WithRegistry(registry),
		socketio.SessionLimit(3, socketio.EvictOldest), // or RejectNewest
		socketio.MaxPending(5000),
		socketio.MaxFailures(100, 10_000),
		socketio.ClientAddress(func(h *verifier.Handshake) string { return h.Header.Get("X-Forwarded-For") }),
	)
	fmt.Println(err)
	// Output: <nil>
}

// What a session may do.
func ExampleAllow() {
	database := socketio.DeciderFunc(func(_ context.Context, s *socketio.Session, _ socketio.Action, resource string) error {
		return nil // ask your database
	})
	_, err := socketio.New(accept,
		socketio.Allow("message", socketio.Scope("chat:write")),
		socketio.Allow("ban", socketio.Permission("ban"), socketio.Cached(database, time.Minute)),
		socketio.AllowRoom("org:{org}:*"),
		socketio.OnRoomRevoked(func(s *socketio.Session, room string, err *verifier.UnauthorizedError) {}),
		socketio.WithDecider(database),
	)
	fmt.Println(err)
	// Output: <nil>
}

// Tokens for single rooms, with their own audience and verifier.
func ExampleRoomTokens() {
	rooms, err := verifier.New(verifiertest.NewIssuer("https://rooms.example/"), verifier.Audience("rooms"))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = socketio.New(accept, socketio.AllowRoom("lobby"), socketio.RoomTokens(rooms))
	fmt.Println(err)
	// Output: <nil>
}

// counter counts failures; package redisstore has one for several processes.
type counter map[string]int

func (c counter) Add(_ context.Context, key string, n int) (int, error) {
	c[key] += n
	return c[key], nil
}

// Limits that hold over several processes.
func ExampleShareFailures() {
	_, err := socketio.New(accept, socketio.MaxFailures(100, 10_000), socketio.ShareFailures(counter{}))
	fmt.Println(err)
	// Output: <nil>
}

// An observer, as for metrics, and a clock for tests.
func ExampleObserve() {
	a, err := socketio.New(accept, socketio.ByHandshake(),
		socketio.WithClock(func() time.Time { return time.Unix(1_700_000_000, 0) }),
		socketio.Observe(socketio.Observer{
			Began: func(_ *verifier.Handshake, t *verifier.Token) { fmt.Println(t.Subject, "began") },
			Ended: func(_ *verifier.Handshake, t *verifier.Token, _ time.Duration, cause error) {
				fmt.Println(t.Subject, "ended:", cause)
			},
		}))
	if err != nil {
		fmt.Println(err)
		return
	}
	h := &verifier.Handshake{Namespace: "/"}
	pass, err := a.Admit(context.Background(), h)
	if err != nil {
		fmt.Println(err)
		return
	}
	a.Attach(printer{}, h, pass).Closed()
	// Output:
	// ada began
	// open ""
	// ada ended: socketio: the socket was disconnected
}

// A binding gives its own defaults, which the options of its users replace.
func ExampleDefaults() {
	authorize := func(options ...socketio.Option) error {
		_, err := socketio.New(accept, append([]socketio.Option{socketio.Defaults(socketio.ByHandshake())}, options...)...)
		return err
	}
	fmt.Println(authorize(), authorize(socketio.ByEvent()))
	// Output: <nil> <nil>
}

// The endpoint that an OpenID provider calls when a user logs out there.
func ExampleBackChannelLogout() {
	provider := verifiertest.NewIssuer("https://login.example/")
	v, err := verifier.New(provider, verifier.Issuer(provider.URL()), verifier.Audience("client-id"), verifier.Type("logout+jwt"))
	if err != nil {
		fmt.Println(err)
		return
	}
	registry := socketio.NewRegistry(nil) // also given to server.Authorize, by socketio.WithRegistry
	logout, err := socketio.BackChannelLogout(v, registry, &socketio.LogoutOptions{TokenLifetime: time.Hour, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	request := httptest.NewRequest("POST", "/backchannel-logout", nil)
	answer := httptest.NewRecorder()
	logout.ServeHTTP(answer, request)
	fmt.Println(answer.Code) // the request has no logout token
	// Output: 400
}
