package interop

import (
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// The refusals that have nothing to do with what is in a token.
var (
	noToken       = refusal{"credentials_required", "no token provided", "token_missing", false}
	badFormat     = refusal{"credentials_bad_format", "Format is Authorization: Bearer [token]", "token_malformed", false}
	noHeader      = refusal{"missing_authorization_header", "Server requires Authorization Header", "token_missing", false}
	twoTokens     = refusal{"credentials_bad_format", "more than one token provided", "token_conflict", false}
	datatype      = refusal{"invalid_token", "invalid token datatype", "token_malformed", false}
	nothingInside = refusal{"invalid_token", "invalid token datatype", "token_missing", false}
	noJWT         = refusal{"invalid_token", "jwt must be provided", "token_missing", false}
	unreadable    = refusal{"invalid_token", "invalid token", "token_malformed", false}
	malformed     = refusal{"invalid_token", "jwt malformed", "token_malformed", false}
	signature     = refusal{"invalid_token", "invalid signature", "signature_invalid", false}
	expired       = refusal{"invalid_token", "jwt expired", "token_expired", false}
	tooLate       = refusal{"credentials_required", "no token provided in time", "authentication_timeout", false}
	rejected      = refusal{"unknown", "rejected by the server", "rejected", false}
	otherUser     = refusal{"invalid_token", "the token is not the same user's", "identity_mismatch", false}
	crashed       = refusal{"internal_error", "internal server error", "server_error", false}
	keysAway      = refusal{"invalid_secret", "keys unavailable, try again later", "keys_unavailable", true}
)

// root is a server with one policy, for its root namespace.
func root(p policy) map[string]policy { return map[string]policy{"/": p} }

func byEvent(options ...socketio.Option) policy {
	return policy{options: append([]socketio.Option{socketio.ByEvent()}, options...)}
}

func byHandshake(options ...socketio.Option) policy {
	return policy{options: append([]socketio.Option{socketio.ByHandshake()}, options...)}
}

// from takes the token from somewhere else.
func (p policy) from(e verifier.Extractor) policy {
	p.verify = append([]verifier.Option{verifier.WithExtractor(e)}, p.verify...)
	return p
}

// atOnce is a client that authenticates inside its connect handler, as
// applications do: during the upgrade, if it makes one.
func atOnce(token any) jsclient.Options {
	return jsclient.Options{OnConnect: []jsclient.Emission{
		{Event: "authenticate", Args: []any{map[string]any{"token": token}}},
	}}
}

func withQuery(token string) jsclient.Options {
	return jsclient.Options{Query: map[string]string{"token": token}}
}

func withHeader(name, value string) jsclient.Options {
	return jsclient.Options{Header: map[string]string{name: value}}
}

// calls are those that the application gets for one user who comes and goes.
func calls(user string) []string {
	return []string{"authenticated " + user, "success " + user, "disconnected"}
}

func behaviours() []behaviour {
	var rows []behaviour
	for _, part := range [][]behaviour{eventRows(), handshakeRows(), namespaceRows(), applicationRows(), rulesRows(), keyRows(), profileRows(), liveRows()} {
		rows = append(rows, part...)
	}
	for _, bad := range badTokens() {
		rows = append(rows, bad.rows()...)
	}
	for _, good := range goodTokens() {
		rows = append(rows, behaviour{
			name: "token/" + good.name, guards: root(policy{verify: good.verify, options: []socketio.Option{socketio.ByEvent()}}),
			script: script{opens(atOnce(good.token)), connects(), sees("authenticated", "[]"), asks("whoami", 0, `["alice"]`)},
			calls:  calls("alice"),
		})
	}
	return rows
}
