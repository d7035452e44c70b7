package main

import (
	"strings"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/browser"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
)

// TestPage: two browsers at different nodes chat, one user has one session, and who is
// revoked is out.
func TestPage(t *testing.T) {
	jsclient.Install(t) // the client that the page loads
	s := startSite(t)
	ada := browser.Open(t, s.url)
	grace := browser.Open(t, s.url)
	login := func(p *browser.Page, node, name string) {
		t.Helper()
		p.Eval(t, `document.cookie = 'node=`+node+`; path=/socket.io/'`)
		p.Eval(t, `$('name').value = '`+name+`'; $('login').requestSubmit()`)
		p.Wait(t, `$('status').textContent === 'authenticated as `+name+`'`)
	}
	says := func(p *browser.Page, text string) {
		t.Helper()
		p.Eval(t, `$('text').value = '`+text+`'; $('say').requestSubmit()`)
	}
	hears := func(p *browser.Page, text string) {
		t.Helper()
		p.Wait(t, `$('log').textContent.includes('`+text+`')`)
	}
	login(ada, "one", "Ada")
	login(grace, "two", "Grace")
	for _, p := range []*browser.Page{ada, grace} {
		p.Wait(t, `$('people').textContent === '2 here: Ada (googollee), Grace (zishang)'`)
	}
	says(ada, "hello from googollee")
	hears(grace, "hello from googollee")
	says(grace, "hello from zishang")
	hears(ada, "hello from zishang")

	second := grace.Another(t, s.url)
	login(second, "two", "Ada")
	hears(ada, "You are out: replaced by a newer session.")

	says(second, "/revoke Grace")
	hears(grace, "You are out: jwt revoked.")
	second.Wait(t, `$('people').textContent === '1 here: Ada (zishang)'`)
	for _, p := range []*browser.Page{ada, grace, second} {
		if errors := strings.Join(p.Errors(), "\n"); errors != "" {
			t.Errorf("errors in a page: %s", errors)
		}
	}
}
