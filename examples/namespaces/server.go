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
func newServer(secret []byte) (*socket.Server, *socketio.Registry, error) {
	key, err := keys.Secret(secret)
	if err != nil {
		return nil, nil, err
	}
	io := socket.NewServer(nil, zishang.Harden(nil))
	registry := socketio.NewRegistry(nil)
	guard := func(namespace socket.Namespace, rules ...verifier.Option) error {
		v, err := verifier.New(key, append([]verifier.Option{verifier.Audience("chat")}, rules...)...)
		if err != nil {
			return err
		}
		authorize, err := zishang.Authorize(v, socketio.WithRegistry(registry))
		if err != nil {
			return err
		}
		namespace.Use(authorize)
		return namespace.On("connection", func(args ...any) { greet(args[0].(*socket.Socket)) })
	}

	// "/" has no guard: whoever comes may read the news.
	if err := io.On("connection", func(args ...any) { _ = args[0].(*socket.Socket).Emit("news", "we are open") }); err != nil {
		return nil, nil, err
	}
	// Whoever has a token may chat.
	if err := guard(io.Of("/chat", nil)); err != nil {
		return nil, nil, err
	}
	// An administrator's token has a scope.
	if err := guard(io.Of("/admin", nil), verifier.RequireScope("admin")); err != nil {
		return nil, nil, err
	}
	// A tenant's namespace is made when somebody asks for it: one guard for all.
	err = guard(io.Of(regexp.MustCompile(`^/tenant-[a-z]{1,20}$`), nil), verifier.Validate(verifier.ClaimValidatorFunc(memberOf)))
	return io, registry, err
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
