package main

import (
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/pagetrial"
)

// site is what the browser tries.
func site(t *testing.T) pagetrial.Site {
	secret := mint.Secret()
	server, err := newServer(secret, 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return pagetrial.Site{
		Name:    "quickstart",
		Secret:  secret,
		Handler: newSite(secret, server),
		Second:  "/?client=2.5.0",
		Silent:  "The server says: credentials_required: no token provided in time",
	}
}

// TestBrowser has a real browser use the page.
func TestBrowser(t *testing.T) { pagetrial.Run(t, site(t)) }

// TestBrowserWithoutNode: the page needs no npm install.
func TestBrowserWithoutNode(t *testing.T) { pagetrial.RunWithoutNode(t, site(t)) }
