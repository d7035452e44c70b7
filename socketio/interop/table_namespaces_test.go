package interop

import (
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// namespaceRows are several namespaces on one connection.
func namespaceRows() []behaviour {
	shared := func(namespace string) jsclient.Options {
		return jsclient.Options{Namespace: namespace, Multiplex: true}
	}
	sharedWithQuery := func(token string) jsclient.Options {
		o := withQuery(token)
		o.Multiplex = true
		return o
	}
	inNamespace := func(token string) jsclient.Options {
		o := shared("/admin")
		o.Namespace += "?token=" + token
		return o
	}
	forAdmin := byEvent()
	forAdmin.verify = []verifier.Option{verifier.Audience("admin")}
	return []behaviour{
		{
			name:   "namespaces/a guarded one beside a public one",
			public: []string{"/"},
			guards: map[string]policy{"/admin": byHandshake()},
			only:   legacy, // the token of a modern client is in its auth payload
			script: script{
				opens(shared("")), connects(), asks("hello", 0, `["hello, guest"]`),
				opens(inNamespace(alice)), connects(), asks("whoami", 0, `["alice"]`), closes(),
				as(""), asks("hello", 0, `["hello, guest"]`),
			},
			calls: []string{"connected a guest", "authenticated alice", "success alice", "disconnected", "disconnected"},
		},
		{
			name:   "namespaces/a public one beside a guarded root",
			public: []string{"/news"},
			guards: root(byEvent()),
			script: script{
				opens(shared("")), connects(),
				opens(shared("/news")), connects(), asks("hello", 0, `["hello, guest"]`), broadcasts("/news", "news", 1), sees("news", "[1]"),
				as(""), asksWithoutAnswer("hello", 0), broadcasts("/", "news", 2), silence(),
				authenticates(alice), sees("authenticated", "[]"), asks("whoami", 0, `["alice"]`),
				as("/news"), asks("hello", 0, `["hello, guest"]`),
			},
			calls: []string{"connected a guest", "authenticated alice", "success alice", "disconnected", "disconnected"},
		},
		{
			name:   "namespaces/the connection is refused at a guarded root",
			public: []string{"/news"},
			guards: root(byHandshake()),
			only:   legacy, // whose connection is decided about by its root
			script: script{opens(shared("/news")), refused(noToken)},
			calls:  []string{"failure token_missing"},

			refusalDelay: 4 * time.Second, // meanwhile the client names its namespace
		},
		{
			name:   "namespaces/a token for one of them",
			guards: map[string]policy{"/": byEvent(), "/admin": forAdmin},
			script: script{
				opens(shared("")), connects(), authenticates(alice), sees("authenticated", "[]"), notes("success alice"),
				opens(shared("/admin")), connects(), authenticates(alice),
				unauthorized(refusal{"invalid_token", "jwt audience invalid. expected: admin", "audience_mismatch", false}),
				authenticates(mint(claims{"sub": "root", "aud": "admin"})), sees("authenticated", "[]"), asks("whoami", 0, `["root"]`),
				as(""), asks("whoami", 0, `["alice"]`),
			},
			calls: []string{
				"authenticated alice", "success alice", "failure audience_mismatch", "authenticated root", "success root",
				"disconnected", "disconnected",
			},
		},
		{
			name:   "namespaces/a token in the query of one over that of the connection",
			guards: map[string]policy{"/": byHandshake(), "/admin": byHandshake()},
			only:   legacy,
			script: script{
				opens(sharedWithQuery(bob)), connects(), asks("whoami", 0, `["bob"]`), notes("success bob"),
				opens(inNamespace(alice)), connects(), asks("whoami", 0, `["alice"]`), closes(),
				as(""), asks("whoami", 0, `["bob"]`),
			},
			calls: []string{
				"authenticated bob", "success bob", "authenticated alice", "success alice", "disconnected", "disconnected",
			},
		},
		{
			name:   "namespaces/a bad token in the query of one",
			public: []string{"/"},
			guards: map[string]policy{"/admin": byHandshake()},
			only:   legacy,
			script: script{
				opens(shared("")), connects(),
				opens(inNamespace("a.b")), refusedInNamespace(malformed),
				as(""), silence(), asks("hello", 0, `["hello, guest"]`),
			},
			calls: []string{"connected a guest", "failure token_malformed", "disconnected"},
		},
		{
			name:   "namespaces/nothing in time in one",
			public: []string{"/"},
			guards: map[string]policy{"/admin": byEvent(socketio.Timeout(100 * time.Millisecond))},
			script: script{
				opens(shared("")), connects(),
				opens(shared("/admin")), connects(), unauthorized(tooLate), disconnectedInNamespace(),
				as(""), silence(), asks("hello", 0, `["hello, guest"]`),
			},
			calls: []string{"connected a guest", "failure authentication_timeout", "disconnected"},
		},
		{
			name:   "namespaces/refused in one, alive in another",
			public: []string{"/"},
			guards: map[string]policy{"/admin": byHandshake()},
			script: script{
				opens(shared("")), connects(), asks("hello", 0, `["hello, guest"]`),
				opens(shared("/admin")), refusedInNamespace(noToken),
				as(""), silence(), asks("hello", 0, `["hello, guest"]`),
			},
			calls: []string{"connected a guest", "failure token_missing", "disconnected"},
		},
		{
			name:   "namespaces/each its own policy",
			guards: map[string]policy{"/": byEvent(), "/admin": byEvent(socketio.DisconnectNow())},
			script: script{
				opens(shared("")), connects(), authenticates(alice), sees("authenticated", "[]"), notes("success alice"),
				opens(shared("/admin")), connects(), asksWithoutAnswer("whoami", 0), broadcasts("/admin", "news", 1),
				authenticates("a.b"), unauthorized(malformed), disconnectedInNamespace(),
				as(""), silence(), asks("whoami", 0, `["alice"]`),
			},
			calls: []string{"authenticated alice", "success alice", "failure token_malformed", "disconnected"},
		},
		{
			name:   "namespaces/unknown",
			public: []string{"/"},
			script: script{
				opens(shared("")), connects(),
				opens(shared("/nowhere")), unknownNamespace(),
				as(""), silence(), asks("hello", 0, `["hello, guest"]`),
			},
			calls: []string{"connected a guest", "disconnected"},
		},
	}
}

// refusedInNamespace is refused where the connection lives on: a client 1.x or
// 2.x is told by an ERROR packet for the namespace and stays on the connection.
func refusedInNamespace(f refusal) step {
	return func(r *run) {
		r.Helper()
		if r.version.Modern() {
			sees("connect_error", connectErrorArgs(f))(r)
			return
		}
		sees("error", "["+f.json()+"]")(r)
	}
}

// disconnectedInNamespace waits for a disconnect that leaves the connection to
// other namespaces.
func disconnectedInNamespace() step { return sees("disconnect", `["io server disconnect"]`) }

// unknownNamespace is what a client sees of a namespace that does not exist.
func unknownNamespace() step {
	return func(r *run) {
		r.Helper()
		if r.version.Modern() {
			sees("connect_error", `[{"$error": "Error", "message": "Invalid namespace"}]`)(r)
			return
		}
		sees("error", "["+r.binding.invalidNamespace+"]")(r)
	}
}
