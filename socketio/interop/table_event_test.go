package interop

import (
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// eventRows are the two roundtrips.
func eventRows() []behaviour {
	// Where a row waits for a deadline, it is one that the client's own messages
	// do not miss on a slow machine.
	const soon = 3 * time.Second
	twiceAtOnce := atOnce(alice)
	twiceAtOnce.OnConnect = append(twiceAtOnce.OnConnect, twiceAtOnce.OnConnect...)
	return []behaviour{
		{
			name:   "event/a good token",
			guards: root(byEvent()),
			script: script{opens(atOnce(alice)), connects(), sees("authenticated", "[]"), asksNoAck(), asks("whoami", 0, `["alice"]`), upgrades(), asks("whoami", 0, `["alice"]`)},
			calls:  calls("alice"),
		},
		{
			name:   "event/a good token as Bearer",
			guards: root(byEvent()),
			script: script{opens(atOnce("bearer " + alice)), connects(), sees("authenticated", "[]"), asks("whoami", 0, `["alice"]`)},
			calls:  calls("alice"),
		},
		{
			name:   "event/no token, then the client acknowledges",
			guards: root(byEvent()),
			script: script{opens(jsclient.Options{}), connects(), emits("authenticate", map[string]any{}), unauthorized(nothingInside), acknowledges(), disconnected()},
			calls:  []string{"failure token_missing"},
		},
		{
			name:   "event/no argument",
			guards: root(byEvent()),
			script: script{opens(jsclient.Options{}), connects(), emits("authenticate"), unauthorized(nothingInside), acknowledges(), disconnected()},
			calls:  []string{"failure token_missing"},
		},
		{
			name:   "event/null",
			guards: root(byEvent()),
			script: script{opens(jsclient.Options{}), connects(), emits("authenticate", nil), unauthorized(nothingInside), acknowledges(), disconnected()},
			calls:  []string{"failure token_missing"},
		},
		{
			name: "event/good to the second, by the server's own clock",
			guards: root(policy{
				verify:  []verifier.Option{clockAt(1000)},
				options: []socketio.Option{socketio.ByEvent(), socketio.WithClock(stopped(1000)), socketio.IgnoreExpiration()},
			}),
			script: script{
				opens(atOnce(mint(claims{"sub": "alice", "nbf": 1000, "exp": 1001}))), connects(), sees("authenticated", "[]"),
				asks("whoami", 0, `["alice"]`),
			},
			calls: calls("alice"),
		},
		{
			name:   "event/an empty token",
			guards: root(byEvent()),
			script: script{opens(atOnce("")), connects(), unauthorized(noJWT), acknowledges(), disconnected()},
			calls:  []string{"failure token_missing"},
		},
		{
			name:   "event/a token in the query does not count",
			guards: root(byEvent()),
			script: script{opens(withQuery(alice)), connects(), emits("authenticate", map[string]any{}), unauthorized(nothingInside), acknowledges(), disconnected()},
			calls:  []string{"failure token_missing"},
		},
		{
			name:   "event/another one in the query does not matter",
			guards: root(byEvent()),
			script: script{opens(withQuery(bob)), connects(), authenticates(alice), sees("authenticated", "[]"), asks("whoami", 0, `["alice"]`)},
			calls:  calls("alice"),
		},
		{
			name:   "event/arguments of other types",
			guards: root(byEvent(socketio.MaxAttempts(10))),
			script: script{
				opens(jsclient.Options{}), connects(),
				emits("authenticate", alice), unauthorized(datatype),
				emits("authenticate", []any{alice}), unauthorized(datatype),
				emits("authenticate", 1), unauthorized(datatype),
				authenticates(123), unauthorized(datatype),
				authenticates(map[string]any{"token": alice}), unauthorized(datatype),
				authenticates([]string{alice}), unauthorized(datatype),
				authenticates(jsclient.Binary(alice)), unauthorized(datatype),
				authenticates(alice), sees("authenticated", "[]"),
			},
			calls: append([]string{
				"failure token_malformed", "failure token_malformed", "failure token_malformed",
				"failure token_malformed", "failure token_malformed", "failure token_malformed", "failure token_malformed",
			}, calls("alice")...),
		},
		{
			name:   "event/another attempt instead of an acknowledgement",
			guards: root(byEvent()),
			script: script{opens(atOnce("a.b")), connects(), unauthorized(malformed), authenticates(alice), sees("authenticated", "[]"), asks("whoami", 0, `["alice"]`)},
			calls:  append([]string{"failure token_malformed"}, calls("alice")...),
		},
		{
			name:   "event/too many attempts",
			guards: root(byEvent()),
			script: script{
				opens(jsclient.Options{}), connects(),
				authenticates("a.b"), unauthorized(malformed),
				authenticates("a.b"), unauthorized(malformed),
				authenticates("a.b"), unauthorized(malformed), disconnected(),
			},
			calls: []string{"failure token_malformed", "failure token_malformed", "failure token_malformed"},
		},
		{
			name:   "event/disconnected at once",
			guards: root(byEvent(socketio.DisconnectNow())),
			script: script{opens(callingBack(inEvent)("a.b")), connects(), unauthorized(malformed), disconnected()},
			calls:  []string{"failure token_malformed"},
		},
		{
			name:   "event/disconnected after a while",
			guards: root(byEvent(socketio.DisconnectAfter(50 * time.Millisecond))),
			script: script{opens(atOnce("a.b")), connects(), unauthorized(malformed), disconnected()},
			calls:  []string{"failure token_malformed", "failure authentication_timeout"},
		},
		{
			name:   "event/disconnected after a while, acknowledged earlier",
			guards: root(byEvent(socketio.Timeout(time.Hour), socketio.DisconnectAfter(time.Hour))),
			script: script{opens(atOnce("a.b")), connects(), unauthorized(malformed), acknowledges(), disconnected()},
			calls:  []string{"failure token_malformed"},
		},
		{
			name:   "event/nothing in time",
			guards: root(byEvent(socketio.Timeout(100 * time.Millisecond))),
			script: script{opens(jsclient.Options{CallsBack: true}), connects(), unauthorized(tooLate), disconnected()},
			calls:  []string{"failure authentication_timeout"},
		},
		{
			name:   "event/a failed attempt does not stop the deadline",
			guards: root(byEvent(socketio.Timeout(soon))),
			script: script{opens(atOnce("a.b")), connects(), unauthorized(malformed), disconnected()},
			calls:  []string{"failure token_malformed", "failure authentication_timeout"},
		},
		{
			name:   "event/a good attempt stops the deadline",
			guards: root(byEvent(socketio.Timeout(soon))),
			script: script{
				opens(atOnce(alice)), called("first"), connects(), sees("authenticated", "[]"),
				// When this one's deadline has passed, so has the first one's.
				opens(jsclient.Options{}), connects(), unauthorized(tooLate), disconnected(),
				as("first"), silence(), asks("whoami", 0, `["alice"]`),
			},
			calls: []string{"authenticated alice", "success alice", "failure authentication_timeout", "disconnected"},
		},
		{
			name:   "event/renewed",
			guards: root(byEvent()),
			script: script{
				opens(atOnce(alice)), connects(), sees("authenticated", "[]"),
				authenticates(mint(claims{"sub": "alice", "exp": 4102444801})), sees("authenticated", "[]"),
				asks("whoami", 0, `["alice"]`),
			},
			calls: calls("alice"),
		},
		{
			name:   "event/twice at once",
			guards: root(byEvent()),
			script: script{
				opens(twiceAtOnce), connects(), sees("authenticated", "[]"), sees("authenticated", "[]"), asks("whoami", 0, `["alice"]`),
			},
			calls: calls("alice"),
		},
		{
			name:   "event/not renewed by another user",
			guards: root(byEvent()),
			script: script{
				opens(atOnce(alice)), connects(), sees("authenticated", "[]"),
				authenticates(bob), unauthorized(otherUser),
				asks("whoami", 0, `["alice"]`),
				authenticates("a.b"), unauthorized(malformed),
				asks("whoami", 0, `["alice"]`),
			},
			calls: []string{"authenticated alice", "success alice", "failure identity_mismatch", "failure token_malformed", "disconnected"},
		},
		{
			name:   "event/token in a cookie",
			guards: root(byEvent().from(verifier.Cookie("session"))),
			script: script{
				opens(withHeader("Cookie", "other=1; session="+alice)), connects(),
				emits("authenticate", map[string]any{}), sees("authenticated", "[]"), asks("whoami", 0, `["alice"]`),
			},
			calls: calls("alice"),
		},
		{
			name:   "event/no cookie",
			guards: root(byEvent().from(verifier.Cookie("session"))),
			script: script{opens(atOnce(alice)), connects(), unauthorized(nothingInside), acknowledges(), disconnected()},
			calls:  []string{"failure token_missing"},
		},
		{
			name:   "event/a cookie with two values",
			guards: root(byEvent().from(verifier.Cookie("session"))),
			script: script{
				opens(withHeader("Cookie", "session="+alice+"; session="+bob)), connects(),
				emits("authenticate", map[string]any{}), unauthorized(twoTokens), acknowledges(), disconnected(),
			},
			calls: []string{"failure token_conflict"},
		},
		{
			name:   "event/keys come back while the client tries again",
			guards: root(byEvent().with(awayAtFirst)),
			script: script{
				opens(atOnce(alice)), connects(), unauthorized(keysAway),
				authenticates(alice), sees("authenticated", "[]"), asks("whoami", 0, `["alice"]`),
			},
			calls: append([]string{"failure keys_unavailable"}, calls("alice")...),
		},
		{
			name:   "event/nothing comes in or goes out before",
			guards: root(byEvent()),
			script: script{
				opens(jsclient.Options{}), connects(),
				emits("say", "too early"), asksWithoutAnswer("whoami", 0), asksWithoutAnswer("hello", 0), broadcasts("/", "news", 1), silence(),
				authenticates(alice), sees("authenticated", "[]"),
				asks("whoami", 0, `["alice"]`), broadcasts("/", "news", 2), sees("news", "[2]"),
				asks("say", "in time", "[null]"),
			},
			calls: []string{"authenticated alice", "success alice", "say in time by alice", "disconnected"},
		},
		{
			name:   "event/a guest",
			guards: root(byEvent(socketio.Optional(), socketio.Timeout(50*time.Millisecond))),
			script: script{
				opens(jsclient.Options{}), connects(), asks("hello", 0, `["hello, guest"]`),
				asksWithoutAnswer("whoami", 0), broadcasts("/", "news", 1), sees("news", "[1]"),
				authenticates(alice), sees("authenticated", "[]"), asks("hello", 0, `["hello, alice"]`),
			},
			calls: []string{"connected a guest", "authenticated alice", "success alice", "disconnected"},
		},
		{
			name:   "event/a guest with a bad token",
			guards: root(byEvent(socketio.Optional())),
			script: script{opens(atOnce("a.b")), connects(), unauthorized(malformed), acknowledges(), disconnected()},
			calls:  []string{"connected a guest", "failure token_malformed", "disconnected"},

			anyOrder: true, // it does not wait for the application to have noticed it
		},
	}
}
