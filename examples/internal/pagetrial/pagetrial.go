// Package pagetrial has a real browser use the page of package chatpage as a
// person does: it logs in, chats in two windows, renews a token and lets it
// expire, connects without a valid token, loses the connection and comes back, and
// does it all by keyboard, in a narrow window, and in both colour schemes.
//
// The pictures in the documents are of such a run:
//
//	go test ./examples/quickstart ./examples/modern -run Browser -screenshots ../../docs/images
package pagetrial

import (
	_ "embed"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/chatpage"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/browser"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
)

var screenshots = flag.String("screenshots", "", "the folder that pictures of the pages are written to")

// lifetime is that of tokens that are to be renewed, and to expire, meanwhile: the
// page is told of it half that long before.
const lifetime = 14 * time.Second

//go:embed look.js
var look string

// Site is what is tried: a site made by [chatpage.New].
type Site struct {
	Name    string // of its pictures
	Secret  []byte // of its tokens
	Handler http.Handler

	Dark bool // what they are to look like

	// Second is the path of the page in the second window, if it is another one.
	Second string

	// Silent is what the page tells of a socket that presents nothing.
	Silent string
}

// Run tries the site. It is skipped without a browser or Node, and fails if CI is
// true.
func Run(t *testing.T, s Site) {
	jsclient.Start(t) // installs the clients that the page loads
	t.Cleanup(jsclient.Stop)
	server := httptest.NewServer(s.Handler)
	t.Cleanup(server.Close)
	short := httptest.NewServer(shortLived(s))
	t.Cleanup(short.Close)

	ada := browser.Open(t, server.URL)
	ada.Resize(t, 1024, 860)
	bob := ada.Another(t, server.URL+s.Second)
	pages := []*browser.Page{ada, bob}

	if s.Second != "" {
		if a, b := ada.Eval(t, clientVersion), bob.Eval(t, clientVersion); a == b {
			t.Errorf("both windows have the client of Engine.IO %s", a)
		}
	}
	t.Run("seen before the login", func(t *testing.T) { seen(t, ada) })
	t.Run("chat", func(t *testing.T) { chat(t, ada, bob) })
	t.Run("refusal", func(t *testing.T) { refused(t, ada, s.Silent) })
	t.Run("seen after it", func(t *testing.T) { seen(t, ada) })
	picture(t, ada, s, s.Name, 1024, 860)
	t.Run("keyboard", func(t *testing.T) { keyboard(t, ada) })
	t.Run("narrow", func(t *testing.T) { narrow(t, ada) })
	if !s.Dark {
		picture(t, bob, s, s.Name+"-narrow", 360, 740)
	}
	t.Run("logout", func(t *testing.T) {
		bob.Eval(t, `$('logout').click()`)
		status(t, bob, "not connected")
		ada.Wait(t, `$('people').textContent === '1 here: Ada'`)
	})
	t.Run("outage", func(t *testing.T) { outage(t, ada, s) })
	t.Run("renewal and expiry", func(t *testing.T) {
		eve := ada.Another(t, short.URL)
		pages = append(pages, eve)
		expire(t, eve)
	})
	for _, p := range pages {
		for _, e := range p.Errors() {
			// A poll that is in progress when its socket is refused finds no socket.
			if !strings.Contains(e, `"source":"network"`) || !strings.Contains(e, "transport=polling") {
				t.Errorf("an error in the page: %s", e)
			}
		}
	}
}

// RunWithoutNode tries the site where npm has installed no client: the page has the small one.
func RunWithoutNode(t *testing.T, s Site) {
	t.Chdir(t.TempDir())
	server := httptest.NewServer(s.Handler)
	t.Cleanup(server.Close)
	ada := browser.Open(t, server.URL)
	if ada.Eval(t, `String(io.small)`) != "true" || ada.Eval(t, `String(document.querySelector('header').textContent.includes('small client'))`) != "true" {
		t.Error("the page does not say that it has the small client")
	}
	chat(t, ada, ada.Another(t, server.URL))
	refused(t, ada, s.Silent)
	narrow(t, ada)
	outage(t, ada, s)
}

// clientVersion is the revision of Engine.IO that the page's client speaks.
const clientVersion = `String(io.protocol === 4 ? 3 : 4)`

// shortLived is the site with a login whose tokens expire soon.
func shortLived(s Site) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/token" {
			s.Handler.ServeHTTP(w, r)
			return
		}
		claims := chatpage.Claims("Eve", time.Now())
		claims["exp"] = time.Now().Add(lifetime).Unix()
		_ = json.NewEncoder(w).Encode(map[string]string{"token": mint.HS256(s.Secret, claims)}) // no answer will tell
	})
}

func status(t *testing.T, p *browser.Page, text string) {
	t.Helper()
	p.Wait(t, `$('status').textContent === `+quote(text))
}

func logs(t *testing.T, p *browser.Page, text string) {
	t.Helper()
	p.Wait(t, `[...$('log').children].some((item) => item.textContent === `+quote(text)+`)`)
}

func quote(text string) string {
	q, _ := json.Marshal(text) // a string: it cannot fail
	return string(q)
}

// login types a name, when the page is there and has its script.
func login(t *testing.T, p *browser.Page, name string) {
	t.Helper()
	p.Wait(t, `document.activeElement === $('name')`)
	p.Type(t, name)
	p.Press(t, "Enter")
	status(t, p, "authenticated as "+name)
}

// chat logs in by keyboard in both windows, and talks.
func chat(t *testing.T, ada, bob *browser.Page) {
	for p, name := range map[*browser.Page]string{ada: "Ada", bob: "Bob"} {
		login(t, p, name)
		p.Wait(t, `document.activeElement === $('text')`) // one can speak at once
	}
	ada.Wait(t, `$('people').textContent === '2 here: Ada, Bob'`)
	for _, said := range []struct {
		by   *browser.Page
		text string
	}{
		{ada, "Hello! Who is there?"},
		{bob, "Me, with a token of my own."},
		{ada, "<b>Is this bold?</b>"}, // text is text
		{bob, "Not to anybody."},
	} {
		said.by.Type(t, said.text)
		said.by.Press(t, "Enter")
		name := "Ada"
		if said.by == bob {
			name = "Bob"
		}
		logs(t, ada, name+said.text)
		logs(t, bob, name+said.text)
	}
}

// refused presses each of the page's buttons for connections without a valid token.
func refused(t *testing.T, p *browser.Page, silent string) {
	for i, want := range []struct{ attack, says string }{
		{"audience", "The server says: invalid_token: jwt audience invalid. expected: " + chatpage.Audience},
		{"tampered", "The server says: invalid_token: invalid signature"},
		{"expired", "The server says: invalid_token: jwt expired"},
		{"none", silent},
	} {
		p.Eval(t, `document.querySelector('[data-attack=`+want.attack+`]').click()`)
		p.Wait(t, `$('attempts').children.length === `+string(rune('1'+i))+` && $('attempts').firstChild.dataset.state !== 'wait'`)
		verdict := p.Eval(t, `$('attempts').firstChild.querySelector('.verdict').textContent`)
		detail := p.Eval(t, `$('attempts').firstChild.querySelector('.detail').textContent`)
		if !strings.HasPrefix(verdict, "Refused after ") || !strings.HasSuffix(verdict, "It received nothing.") || !strings.HasPrefix(detail, want.says) {
			t.Errorf("%s: the page shows %q, %q, want %q", want.attack, verdict, detail, want.says)
		}
	}
	if shouted := p.Eval(t, `$('log').textContent.includes('open the door!')`); shouted != "false" {
		t.Error("the chat shows what they shouted")
	}
}

// expire has a token renewed, and then has its successor expire.
func expire(t *testing.T, p *browser.Page) {
	login(t, p, "Eve")
	logs(t, p, "Your token was renewed. The connection stays.")
	p.Wait(t, `$('renewal').textContent.startsWith('Renewed at ')`)
	for motion, want := range map[string]string{"no-preference": "fresh", "reduce": "none"} {
		p.Prefers(t, "reduced-motion", motion)
		if got := p.Eval(t, `getComputedStyle($('renewal')).animationName`); got != want {
			t.Errorf("%s: the animation is %q, want %q", motion, got, want)
		}
	}
	status(t, p, "authenticated as Eve")
	p.Eval(t, `$('renew').click()`)
	status(t, p, "refused: jwt expired")
	logs(t, p, "You are out: jwt expired.")
	p.Wait(t, `!$('login-card').hidden && $('text').disabled && document.activeElement === $('name')`)
}

// seen fails where something can be read badly, by the rules of WCAG 2.2, level AA
// (1.4.3 and 1.4.11), in either colour scheme.
func seen(t *testing.T, p *browser.Page) {
	for _, scheme := range []string{"dark", "light"} {
		p.Scheme(t, scheme)
		if faint := p.Eval(t, look+`faint().join('\n')`); faint != "" {
			t.Errorf("%s: too little contrast:\n%s", scheme, faint)
		}
	}
}

// keyboard goes through the whole page by the Tab key: it must come by everything
// that can be used, and each must show that it has the focus.
func keyboard(t *testing.T, p *browser.Page) {
	controls := p.Eval(t, look+`controls().join('\n')`)
	p.Eval(t, `document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')`) // from the start
	var got []string
	for range strings.Count(controls, "\n") + 1 {
		p.Press(t, "Tab")
		got = append(got, p.Eval(t, look+`focused()`))
	}
	if strings.Join(got, "\n") != controls {
		t.Errorf("the Tab key comes by\n%s\nwant\n%s", strings.Join(got, "\n"), controls)
	}
	before := p.Eval(t, `$('attempts').children.length`)
	p.Eval(t, `document.querySelector('[data-attack=expired]').focus()`)
	p.Press(t, " ")
	p.Wait(t, `$('attempts').children.length > `+before)
	p.Wait(t, `$('attempts').firstChild.dataset.state === 'refused'`)
}

// narrow fails if anything is cut off, or has to be scrolled to sideways, in a
// window of 320 pixels (WCAG 1.4.10).
func narrow(t *testing.T, p *browser.Page) {
	p.Resize(t, 320, 640)
	if wide := p.Eval(t, look+`wide().join('\n')`); wide != "" {
		t.Errorf("wider than the window:\n%s", wide)
	}
	p.Resize(t, 1024, 860)
}

// picture takes a picture, if one is wanted.
func picture(t *testing.T, p *browser.Page, s Site, name string, width, height int) {
	t.Helper()
	if *screenshots == "" {
		return
	}
	p.Scheme(t, "light")
	if s.Dark {
		p.Scheme(t, "dark")
	}
	p.Resize(t, width, height)
	p.Eval(t, `document.activeElement.blur(); $('log').scrollTop = 0; scrollTo(0, 0)`)
	if err := os.MkdirAll(*screenshots, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), p.Screenshot(t), 0o644); err != nil {
		t.Fatal(err)
	}
}
