package interop

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// handshakeRows are the one roundtrip.
func handshakeRows() []behaviour {
	admitted := func(o jsclient.Options) script {
		return script{opens(o), connects(), asks("whoami", 0, `["alice"]`), upgrades(), asks("whoami", 0, `["alice"]`)}
	}
	turnedAway := func(o jsclient.Options, f refusal) script { return script{opens(o), refused(f)} }
	both := withQuery(alice)
	both.Header = map[string]string{"Authorization": "Bearer " + alice}
	different := withQuery(alice)
	different.Header = map[string]string{"Authorization": "Bearer " + bob}
	headerBesideQuery := withQuery(bob)
	headerBesideQuery.Header = map[string]string{"Authorization": "Bearer " + alice}

	return []behaviour{
		{name: "handshake/in the query", guards: root(byHandshake()), script: admitted(withQuery(alice)), calls: calls("alice")},
		{name: "handshake/in the header", guards: root(byHandshake()), script: admitted(withHeader("Authorization", "Bearer "+alice)), calls: calls("alice")},
		{name: "handshake/in the header, bearer", guards: root(byHandshake()), script: admitted(withHeader("Authorization", "bearer "+alice)), calls: calls("alice")},
		{
			name: "handshake/in a cookie", guards: root(byHandshake().from(verifier.Cookie("session"))),
			script: admitted(withHeader("Cookie", "session="+alice)), calls: calls("alice"),
		},
		{
			name: "handshake/in the auth payload", guards: root(byHandshake()), only: modern,
			script: admitted(jsclient.Options{Auth: map[string]any{"token": alice}}), calls: calls("alice"),
		},
		{
			name: "handshake/in the auth payload, Bearer", guards: root(byHandshake()), only: modern,
			script: admitted(jsclient.Options{Auth: map[string]any{"token": "Bearer " + alice}}), calls: calls("alice"),
		},
		{
			name: "handshake/an auth payload of another type", guards: root(byHandshake()), only: modern,
			script: turnedAway(jsclient.Options{Auth: map[string]any{"token": 123}}, datatype), calls: []string{"failure token_malformed"},
		},
		{name: "handshake/twice the same", guards: root(byHandshake()), script: admitted(both), calls: calls("alice")},
		{name: "handshake/two different", guards: root(byHandshake()), script: turnedAway(different, twoTokens), calls: []string{"failure token_conflict"}},
		{name: "handshake/nothing", guards: root(byHandshake()), script: turnedAway(jsclient.Options{}, noToken), calls: []string{"failure token_missing"}},
		{
			name: "handshake/a header of one part", guards: root(byHandshake()),
			script: turnedAway(withHeader("Authorization", alice), badFormat), calls: []string{"failure token_malformed"},
		},
		{
			name: "handshake/a header of three parts", guards: root(byHandshake()),
			script: turnedAway(withHeader("Authorization", "Bearer "+alice+" x"), badFormat), calls: []string{"failure token_malformed"},
		},
		{
			name: "handshake/a header of another scheme", guards: root(byHandshake()),
			script: turnedAway(withHeader("Authorization", "Basic "+alice), noToken), calls: []string{"failure token_missing"},
		},
		{
			name: "handshake/the header is required", guards: root(byHandshake().from(verifier.RequireBearerHeader())),
			script: admitted(withHeader("Authorization", "Bearer "+alice)), calls: calls("alice"),
		},
		{
			name: "handshake/the header is required, not the query", guards: root(byHandshake().from(verifier.RequireBearerHeader())),
			script: turnedAway(withQuery(alice), noHeader), calls: []string{"failure token_missing"},
		},
		{
			name: "handshake/the header is required, not another scheme", guards: root(byHandshake().from(verifier.RequireBearerHeader())),
			script: turnedAway(withHeader("Authorization", "Basic "+alice), noHeader), calls: []string{"failure token_missing"},
		},
		{
			name: "handshake/the header is required, the query is not looked at", guards: root(byHandshake().from(verifier.RequireBearerHeader())),
			script: admitted(headerBesideQuery), calls: calls("alice"),
		},
		{
			name: "handshake/a cookie with two values", guards: root(byHandshake().from(verifier.Cookie("session"))),
			script: turnedAway(withHeader("Cookie", "session="+alice+"; session="+bob), twoTokens), calls: []string{"failure token_conflict"},
		},
		{
			name: "handshake/no cookie", guards: root(byHandshake().from(verifier.Cookie("session"))),
			script: turnedAway(withQuery(alice), noToken), calls: []string{"failure token_missing"},
		},
		{
			name: "handshake/a custom place", guards: root(byHandshake().from(verifier.ExtractorFunc(
				func(_ context.Context, h *verifier.Handshake) (string, error) { return h.Header.Get("X-Token"), nil },
			))),
			script: admitted(withHeader("X-Token", alice)), calls: calls("alice"),
		},
		{
			name: "handshake/a guest", guards: root(byHandshake(socketio.Optional())),
			script: script{
				opens(jsclient.Options{}), connects(), asks("hello", 0, `["hello, guest"]`), asksWithoutAnswer("whoami", 0),
				authenticates(alice), sees("authenticated", "[]"), asks("hello", 0, `["hello, alice"]`),
			},
			calls: []string{"connected a guest", "authenticated alice", "success alice", "disconnected"},
		},
		{
			name: "handshake/no guest with a bad token", guards: root(byHandshake(socketio.Optional())),
			script: turnedAway(withQuery("a.b"), malformed), calls: []string{"failure token_malformed"},
		},
		{
			name: "handshake/renewed by event", guards: root(byHandshake()),
			script: script{
				opens(withHeader("Authorization", "Bearer "+alice)), connects(),
				authenticates(mint(claims{"sub": "alice", "exp": 4102444801})), sees("authenticated", "[]"),
				authenticates(bob), unauthorized(otherUser),
				asks("whoami", 0, `["alice"]`),
			},
			calls: []string{"authenticated alice", "success alice", "failure identity_mismatch", "disconnected"},
		},
		{
			name:   "handshake/keys come back while the client retries",
			guards: root(byHandshake().with(awayAtFirst)),
			only:   legacy,
			script: script{
				opens(jsclient.Options{Query: map[string]string{"token": alice}, Extra: map[string]any{"reconnectionDelay": 20}}),
				sees("error", "["+keysAway.json()+"]"), comesBack(), asks("whoami", 0, `["alice"]`),
			},
			calls: append([]string{"failure keys_unavailable"}, calls("alice")...),
		},
		{
			name:   "handshake/keys come back while a modern client retries",
			guards: root(byHandshake().with(awayAtFirst)),
			only:   modern,
			script: script{
				opens(jsclient.Options{Auth: map[string]any{"token": alice}, Extra: map[string]any{"reconnectionDelay": 20}}),
				comesBack(), asks("whoami", 0, `["alice"]`),
			},
			calls: append([]string{"failure keys_unavailable"}, calls("alice")...),
		},
		{
			name:   "handshake/keys come back for a second namespace",
			public: []string{"/"},
			guards: map[string]policy{"/admin": byHandshake().with(awayAtFirst)},
			script: script{
				opens(jsclient.Options{Multiplex: true}), connects(), asks("hello", 0, `["hello, guest"]`),
				opens(admits("/admin")), connectsLater(), asks("whoami", 0, `["alice"]`),
				as(""), silence(), asks("hello", 0, `["hello, guest"]`),
			},
			calls: []string{"connected a guest", "failure keys_unavailable", "authenticated alice", "success alice", "disconnected", "disconnected"},
		},
	}
}

// awayAtFirst are keys that cannot be fetched the first time they are asked for.
func awayAtFirst(t testing.TB) verifier.KeyProvider {
	t.Helper()
	var asked atomic.Int64
	real := secretKey(t)
	return verifier.KeyProviderFunc(func(ctx context.Context, u *verifier.UnverifiedToken) ([]*verifier.Key, error) {
		if asked.Add(1) == 1 {
			return nil, errors.New("the key server is down")
		}
		return real.Keys(ctx, u)
	})
}

// admits opens a namespace with a token for it, on the shared connection.
func admits(namespace string) jsclient.Options {
	return jsclient.Options{Namespace: namespace + "?token=" + alice, Multiplex: true, Auth: map[string]any{"token": alice}}
}

// connectsLater waits for a connect; clients 1.x and 2.x hear before why it is late.
func connectsLater() step {
	return func(r *run) {
		r.Helper()
		if !r.version.Modern() {
			sees("error", "["+keysAway.json()+"]")(r)
		}
		connects()(r)
	}
}

// comesBack waits until a client was cut off and has connected again by itself. Clients 3.x
// and 4.x hear of nothing but the end of the transport.
func comesBack() step {
	return func(r *run) {
		r.Helper()
		returns()(r)
		r.client.Expect(r, "disconnect")
	}
}

// returns waits until a client has connected again by itself, which reports each attempt.
func returns() step {
	return func(r *run) {
		r.Helper()
		r.client.Expect(r, "connect")
		r.client.Expect(r, "reconnect")
		r.client.Expect(r, "reconnect_attempt")
	}
}
