package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/browser"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

func serve(t *testing.T, options ...verifier.Option) (*httptest.Server, []byte) {
	t.Helper()
	secret := mint.Secret()
	site, sockets, err := newServer(secret, options...)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(site)
	t.Cleanup(func() {
		_ = sockets.Close()
		web.Close()
	})
	return web, secret
}

func TestDemonstration(t *testing.T) {
	web, secret := serve(t)
	var out strings.Builder
	if err := demonstrate(t.Context(), &out, web.URL, secret); err != nil || strings.Contains(out.String(), "FAIL") || strings.Count(out.String(), "  ok  ") != 13 {
		t.Errorf("%v\n%s", err, &out)
	}
}

// TestDemonstrationNotices: a server that admits nobody is found out.
func TestDemonstrationNotices(t *testing.T) {
	web, secret := serve(t, verifier.Subject("nobody"))
	var out strings.Builder
	if err := demonstrate(t.Context(), &out, web.URL, secret); err == nil {
		t.Errorf("no error\n%s", &out)
	}
}

// TestBrowser: two tabs of one user, of which one logs out.
func TestBrowser(t *testing.T) {
	jsclient.Install(t) // the client that the page loads
	web, _ := serve(t)
	one := browser.Open(t, web.URL)
	one.Wait(t, `document.getElementById('status').textContent === 'logged out: login_required'`)
	one.Eval(t, `document.getElementById('name').value = 'Ada'; document.getElementById('login').requestSubmit()`)
	one.Wait(t, `document.getElementById('status').textContent === 'connected'`)
	two := one.Another(t, web.URL)
	two.Wait(t, `document.getElementById('status').textContent === 'connected'`)

	one.Eval(t, `document.getElementById('text').value = '<b>hello</b>'; document.getElementById('say').requestSubmit()`)
	for _, tab := range []*browser.Page{one, two} {
		tab.Wait(t, `[...document.getElementById('log').children].some((item) => item.textContent === 'ada: <b>hello</b>')`)
	}
	if seen := one.Eval(t, `document.cookie`); seen != "" {
		t.Errorf("scripts see %q", seen)
	}

	two.Eval(t, `document.getElementById('logout').click()`)
	for _, tab := range []*browser.Page{one, two} {
		tab.Wait(t, `document.getElementById('status').textContent === 'logged out: token_revoked'`)
	}
	if status := one.Eval(t, `fetch('/me').then((answer) => answer.status)`); status != "401" {
		t.Errorf("REST after the logout: %s", status)
	}
}
