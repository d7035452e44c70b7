package providers

import (
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/browser"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

const (
	plainPage = `import { auth0, connection } from './page.js';
Object.assign(window, { auth0, connection, heard: [] });
connection.socket.on('unauthorized', ({ data }) => heard.push(data.reason));
`
	reactPage = `import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.jsx';
createRoot(document.getElementById('root')).render(<StrictMode><App /></StrictMode>);
`
	refreshTokens = "  useRefreshTokens: true,\n  cacheLocation: 'localstorage',\n"
)

// shows waits until the page shows the state.
func shows(t *testing.T, page *browser.Page, state string) {
	t.Helper()
	page.Wait(t, `document.getElementById('state')?.textContent === '`+state+`'`)
}

// logIn logs in on the page, whose user is not logged in.
func logIn(t *testing.T, page *browser.Page) {
	t.Helper()
	shows(t, page, "login_required")
	page.Eval(t, `document.getElementById('login').click()`)
}

// token calls getTokenSilently with the options, and returns the token or the error. A timeout
// is that of the SDK's lock, which the client helper may have.
func token(t *testing.T, page *browser.Page, options string) string {
	t.Helper()
	return page.Eval(t, `(function ask() {
		return auth0.getTokenSilently(`+options+`).catch((error) => error.error === 'timeout' ? ask() : error.error);
	})()`)
}

const (
	past    = `{ cacheMode: 'off' }` // the cache
	forMail = `{ authorizationParams: { audience: 'https://mail.example.com' } }`
)

// TestAuth0Page: the page of docs/client.md with refresh tokens stays connected through
// renewals, a reload and a withdrawn grant, after which only a login helps.
func TestAuth0Page(t *testing.T) {
	t.Parallel()
	s := newSite(t, plainPage)
	page := browser.Open(t, s.url)
	logIn(t, page)
	shows(t, page, "online")
	s.renews(t, time.Hour)
	s.renews(t, time.Hour)

	page.Eval(t, `document.getElementById('state').textContent = 'reloading'; location.reload()`)
	shows(t, page, "online")
	if first := token(t, page, ""); !strings.HasPrefix(first, "ey") || token(t, page, "") != first || token(t, page, past) == first {
		t.Error("the SDK's cache does not return a token that is valid for two minutes")
	}
	s.tell(t, "lifetime=50")
	if old := token(t, page, past); token(t, page, "") == old {
		t.Error("the SDK's cache returns a token that ends in less than a minute")
	}
	if got := token(t, page, forMail); got != "missing_refresh_token" {
		t.Errorf("for another API: %s", got)
	}

	s.tell(t, "lifetime=8")
	s.renews(t, 20*time.Second)
	s.tell(t, "withdraw=all")
	if got := token(t, page, past); got != "invalid_grant" {
		t.Errorf("after the withdrawal: %s", got)
	}
	shows(t, page, "login_required")
	if heard := page.Eval(t, `heard.join()`); !strings.Contains(heard, string(verifier.ErrTokenExpired)) {
		t.Errorf("the session ended with %q", heard)
	}

	s.tell(t, "lifetime=120")
	logIn(t, page)
	shows(t, page, "online")
	page.Eval(t, `document.getElementById('logout').click()`)
	shows(t, page, "login_required")
}

// TestAuth0PageInMemory: without cacheLocation the refresh token is in the SDK's worker. It
// renews the session, and is lost with the page.
func TestAuth0PageInMemory(t *testing.T) {
	t.Parallel()
	s := newSite(t, plainPage, "  cacheLocation: 'localstorage',\n", "")
	page := browser.Open(t, s.url)
	logIn(t, page)
	shows(t, page, "online")
	s.renews(t, time.Hour)
	page.Eval(t, `location.reload()`)
	shows(t, page, "login_required")
}

// TestAuth0PageIframe: without refresh tokens the SDK asks in a hidden iframe, which needs
// the cookies of the tenant.
func TestAuth0PageIframe(t *testing.T) {
	t.Parallel()
	s := newSite(t, plainPage, refreshTokens, "")
	page := browser.Open(t, s.url)
	logIn(t, page)
	shows(t, page, "online")
	s.renews(t, time.Hour)
	page.Eval(t, `document.getElementById('state').textContent = 'reloading'; location.reload()`)
	shows(t, page, "online")
	if got := token(t, page, forMail); !strings.HasPrefix(got, "ey") {
		t.Errorf("for another API: %s", got)
	}
	s.tell(t, "withdraw=all")
	if got := token(t, page, past); got != "consent_required" {
		t.Errorf("after the withdrawal: %s", got)
	}

	other := page.Another(t, s.elsewhere())
	logIn(t, other)
	shows(t, other, "online")
	if got := token(t, other, past); got != "login_required" {
		t.Errorf("without the cookies of the tenant: %s", got)
	}

	page.Eval(t, `document.getElementById('logout').click()`)
	shows(t, page, "login_required")
}

// TestAuth0PageRefused: the page shows why the server refuses its token, and stays.
func TestAuth0PageRefused(t *testing.T) {
	for audience, reason := range map[string]verifier.Reason{
		"": verifier.ErrTokenMalformed, "audience: 'https://mail.example.com', ": verifier.ErrAudienceMismatch,
	} {
		t.Run(string(reason), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, plainPage, "audience: '"+chatAPI+"', ", audience)
			page := browser.Open(t, s.url)
			logIn(t, page)
			shows(t, page, string(reason))
			if got := page.Eval(t, `connection.state`); got != "stopped" || len(s.accepted()) > 0 {
				t.Errorf("the connection is %s, the server accepted %v", got, s.accepted())
			}
		})
	}
}

// TestAuth0React: the same with React in StrictMode.
func TestAuth0React(t *testing.T) {
	t.Parallel()
	s := newSite(t, reactPage)
	page := browser.Open(t, s.url)
	shows := func(text string) {
		t.Helper()
		page.Wait(t, `document.querySelector('#root')?.textContent.replace(/\s+/g, ' ') === '`+text+`'`)
	}
	shows("Log in")
	page.Eval(t, `document.querySelector('#root button').click()`)
	shows("online Log out")
	s.renews(t, time.Hour)
	if got := s.accepted(); got[0].renewed || !got[1].renewed {
		t.Errorf("more than one connection: %+v", got)
	}
	s.tell(t, "lifetime=8")
	s.renews(t, 20*time.Second)
	s.tell(t, "withdraw=all")
	shows("logged out login_requiredLog inLog out")
	s.tell(t, "lifetime=120")
	page.Eval(t, `document.querySelector('#root button').click()`)
	shows("online Log out")
	page.Eval(t, `document.querySelector('#root button').click()`)
	shows("Log in")
}
