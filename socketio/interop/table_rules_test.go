package interop

import (
	"strings"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// rulesRows are decisions after the connection: about events, by the token in force.
func rulesRows() []behaviour {
	scoped := func(scope string) string { return mint(claims{"sub": "alice", "scope": scope}) }
	lacking := func(event string) string {
		args := unauthorizedArgs(refusal{"insufficient_scope", "insufficient scope", "insufficient_scope", false})
		return strings.TrimSuffix(args, "}]") + `, "event": "` + event + `"}]`
	}
	rule := socketio.Allow("echo", socketio.Scope("chat:echo"))
	return []behaviour{
		{
			name: "rules/an event that the token allows, and one with fewer rights", guards: root(byEvent(rule)),
			script: script{
				opens(atOnce(scoped("chat:read chat:echo"))), connects(), sees("authenticated", "[]"), asks("echo", "a", `["a"]`),
				keepsID(
					authenticates(scoped("chat:read")), sees("authenticated", "[]"),
					asks("echo", "b", lacking("echo")), emits("echo", "c"), sees("unauthorized", lacking("echo")), asks("whoami", 0, `["alice"]`),
					authenticates(scoped("chat:echo")), sees("authenticated", "[]"), asks("echo", "d", `["d"]`),
				),
			},
			calls: calls("alice"),
		},
		{
			name: "rules/the token of the handshake", guards: root(byHandshake(rule)),
			script: script{opens(withQuery(scoped("chat:read"))), connects(), asks("echo", "a", lacking("echo")), asks("whoami", 0, `["alice"]`)},
			calls:  calls("alice"),
		},
	}
}
