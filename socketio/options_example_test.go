package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
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
				return nil, errors.New("blocked") // the client learns only that it was rejected
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
