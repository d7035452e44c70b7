package main

import (
	"context"
	"regexp"
	"strings"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// newServer makes a server of four kinds of namespaces, and returns the registry
// of the sessions in all of them.
func newServer(secret []byte) (*zishang.Server, *socketio.Registry, error) {
	key, err := keys.Secret(secret)
	if err != nil {
		return nil, nil, err
	}
	server := zishang.NewServer(nil)
	registry := socketio.NewRegistry(nil)
	guard := func(namespace any, rules ...verifier.Option) error {
		v, err := verifier.New(key, append([]verifier.Option{verifier.Audience("chat")}, rules...)...)
		if err != nil {
			return err
		}
		n, err := server.Authorize(namespace, v, socketio.WithRegistry(registry))
		if err != nil {
			return err
		}
		return n.On("connection", func(args ...any) { greet(args[0].(*socket.Socket)) })
	}

	// "/" is public: anyone who comes may read the news.
	root, err := server.Public("/")
	if err != nil {
		return nil, nil, err
	}
	if err := root.On("connection", func(args ...any) { _ = args[0].(*socket.Socket).Emit("news", "we are open") }); err != nil {
		return nil, nil, err
	}
	// Anyone who has a token may chat.
	if err := guard("/chat"); err != nil {
		return nil, nil, err
	}
	// An administrator's token has a scope.
	if err := guard("/admin", verifier.RequireScope("admin")); err != nil {
		return nil, nil, err
	}
	// A tenant's namespace is made when somebody asks for it: one guard for all.
	err = guard(regexp.MustCompile(`^/tenant-[a-z]{1,20}$`), verifier.Validate(verifier.ClaimValidatorFunc(memberOf)))
	return server, registry, err
}

// memberOf accepts the tokens whose tenant is that of the namespace.
func memberOf(_ context.Context, t *verifier.Token, h *verifier.Handshake) error {
	var claims struct{ Tenant string }
	if err := t.Claims(&claims); err != nil {
		return err
	}
	if claims.Tenant != strings.TrimPrefix(h.Namespace, "/tenant-") {
		return &verifier.UnauthorizedError{Message: "no member of this tenant", Reason: "not_a_member"}
	}
	return nil
}

func greet(s *socket.Socket) {
	_ = s.Emit("welcome", zishang.SessionOf(s).Token().Subject+" in "+s.Nsp().Name())
}
