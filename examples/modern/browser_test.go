package main

import (
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/chatpage"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/pagetrial"
)

// TestBrowser has a real browser use the page.
func TestBrowser(t *testing.T) {
	secret := mint.Secret()
	server, err := newServer(secret)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	pagetrial.Run(t, pagetrial.Site{
		Name:    "modern",
		Dark:    true,
		Secret:  secret,
		Handler: chatpage.New(secret, chatpage.Version4, server),
		Silent:  "The server says: credentials_required: no token provided",
	})
}
