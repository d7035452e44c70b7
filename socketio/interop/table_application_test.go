package interop

import (
	"context"
	"errors"
	"strings"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// applicationRows are what the application's own code does.
func applicationRows() []behaviour {
	subject := func(name string) string { return mint(claims{"sub": name}) }
	mapped := socketio.User(func(_ context.Context, t *verifier.Token, _ *verifier.Handshake) (any, error) {
		switch t.Subject {
		case "unknown":
			return nil, errors.New("the database says: no such user")
		case "blocked":
			return nil, &verifier.UnauthorizedError{Code: "blocked", Message: "your account is blocked", Reason: "blocked"}
		case "crashing":
			panic("the database is gone")
		}
		return strings.ToUpper(t.Subject), nil
	})
	blocked := refusal{"blocked", "your account is blocked", "blocked", false}
	banned := refusal{"banned", "you are banned", "banned", false}
	checked := func(token string, f refusal, reason string) []behaviour {
		return []behaviour{
			{
				name: "application/the check says " + reason + ", by event", guards: root(byEvent(mapped)),
				script: script{opens(atOnce(token)), connects(), unauthorized(f), acknowledges(), disconnected()},
				calls:  []string{"failure " + reason},
			},
			{
				name: "application/the check says " + reason + ", by handshake", guards: root(byHandshake(mapped)),
				script: script{opens(withQuery(token)), refused(f)},
				calls:  []string{"failure " + reason},
			},
		}
	}
	withEmail := mint(claims{"sub": "alice", "email": "alice@example.com"})
	rows := []behaviour{
		{
			name: "application/a user value", guards: root(byEvent(mapped)),
			script: script{opens(atOnce(alice)), connects(), sees("authenticated", "[]"), asks("whoami", 0, `["ALICE"]`)},
			calls:  calls("ALICE"),
		},
		{
			name: "application/the claims, the header and the raw token", guards: root(byEvent()),
			script: script{
				opens(atOnce(withEmail)), connects(), sees("authenticated", "[]"),
				asks("token", withEmail, `[{"typ": "JWT", "email": "alice@example.com", "raw": true}]`),
			},
			calls: calls("alice"),
		},
		{
			name: "application/emits when a socket has authenticated by event", guards: root(byEvent()),
			script: script{opens(atOnce(subject("greeted"))), connects(), sees("authenticated", "[]"), sees("greeting", `["hello"]`)},
			calls:  calls("greeted"),
		},
		{
			name: "application/emits when a socket has authenticated by handshake", guards: root(byHandshake()),
			script: script{opens(withQuery(subject("greeted"))), connects(), sees("greeting", `["hello"]`)},
			calls:  calls("greeted"),
		},
		{
			name: "application/refuses with a custom error", guards: root(byEvent()),
			script: script{opens(atOnce(subject("unwelcome"))), connects(), sees("authenticated", "[]"), unauthorized(rejected), disconnected()},
			calls:  []string{"authenticated unwelcome", "failure rejected", "disconnected"},
		},
		{
			name: "application/refuses with words for the client", guards: root(byEvent()),
			script: script{opens(atOnce(subject("banned"))), connects(), sees("authenticated", "[]"), unauthorized(banned), disconnected()},
			calls:  []string{"authenticated banned", "failure banned", "disconnected"},
		},
		{
			name: "application/panics", guards: root(byHandshake()),
			script: script{opens(withQuery(subject("panicking"))), connects(), unauthorized(crashed), disconnected()},
			calls:  []string{"authenticated panicking", "failure server_error", "disconnected"},
		},
		{
			name: "application/an event before a disconnect arrives", guards: root(byEvent()),
			script: script{opens(atOnce(alice)), connects(), sees("authenticated", "[]"), emits("leave", 0), sees("bye", "[]"), disconnected()},
			calls:  calls("alice"),
		},
		{
			name: "application/text beyond ASCII", guards: root(byHandshake()),
			script: script{
				opens(withQuery(alice)), connects(),
				asks("echo", "grüß dich, 世界 ☃ 👩‍🚀", `["grüß dich, 世界 ☃ 👩‍🚀"]`), upgrades(),
				asks("echo", "grüß dich, 世界 ☃ 👩‍🚀", `["grüß dich, 世界 ☃ 👩‍🚀"]`),
				broadcasts("/", "news", "世界 👩‍🚀"), sees("news", `["世界 👩‍🚀"]`),
			},
			calls: calls("alice"),
		},
	}
	rows = append(rows, checked(subject("unknown"), rejected, "rejected")...)
	rows = append(rows, checked(subject("blocked"), blocked, "blocked")...)
	rows = append(rows, checked(subject("crashing"), crashed, "server_error")...)
	return rows
}
