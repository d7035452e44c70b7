package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/browser"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
)

// TestPage has a real browser make the key, log in, and try each button.
func TestPage(t *testing.T) {
	url := serve(t)
	jsclient.Start(t) // installs the client that the page loads
	t.Cleanup(jsclient.Stop)
	page := browser.Open(t, url)

	page.Eval(t, `document.getElementById('name').value = 'Ada'; document.querySelector('#login button').click()`)
	attempts := `[...document.querySelectorAll('#attempts li')]`
	settled := func(n string) {
		t.Helper()
		page.Wait(t, attempts+`.filter((a) => a.dataset.state !== 'wait').length === `+n)
	}
	settled("1")
	for i, button := range []string{"unproved", "replay", "key", "url", "owner"} {
		page.Eval(t, `document.querySelector('[data-try=`+button+`]').click()`)
		settled(string(rune('2' + i)))
	}
	got := strings.Split(page.Eval(t, attempts+`.map((a) => a.dataset.state + ': ' + a.children[1].textContent).reverse().join('\n')`), "\n")
	want := []string{ // "refused" is the colour of what was hoped for
		"refused: accepted, as ada",
		"refused: refused: no DPoP proof provided",
		"refused: refused: DPoP proof used before",
		"refused: refused: the token is bound to another DPoP key",
		"refused: refused: DPoP proof invalid: htu",
		"refused: accepted, as ada",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the page shows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if private := page.Eval(t, `crypto.subtle.exportKey('jwk', me.key.sign).then(() => 'exported', () => 'kept')`); private != "kept" {
		t.Errorf("the private key is %s", private)
	}
	if errors := page.Errors(); len(errors) != 0 {
		t.Errorf("errors in the page: %q", errors)
	}
}
