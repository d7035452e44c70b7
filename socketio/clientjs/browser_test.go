package clientjs_test

import (
	_ "embed"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/clientjs"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/browser"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
)

//go:embed testdata/page.html
var page []byte

// site serves the page, the module, and the script of a client.
func site(t *testing.T, version string) http.Handler {
	script := map[string]string{"1.7.4": "sio1/dist/socket.io.js", "2.5.0": "sio2/dist/socket.io.js", "4.8.4": "sio4/dist/socket.io.js"}[version]
	clients := jsclient.Install(t)
	mux := http.NewServeMux()
	mux.Handle("GET /auth/", http.StripPrefix("/auth/", clientjs.Handler()))
	mux.HandleFunc("GET /client.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(clients, "node_modules", script))
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write(page)
	})
	return mux
}

// TestChaosInBrowser: two tabs of one user in Chromium, with the same disturbances as
// in Node. They share their tokens, so that one getToken runs at a time for both.
func TestChaosInBrowser(t *testing.T) {
	for _, p := range append(pairings[:3:3], pairings[len(pairings)-1]) { // each client and each binding
		by, mode := "event", socketio.ByEvent()
		if p.version == "4.8.4" {
			by, mode = "handshake", socketio.ByHandshake()
		}
		t.Run(p.name+", by "+by, func(t *testing.T) { twoTabs(t, p, by, mode) })
	}
}

func twoTabs(t *testing.T, p pairing, by string, mode socketio.Option) {
	i := newIssuer(t, 5*time.Second)
	n := newNode(t, p.binding, i, site(t, p.version), mode)
	address := n.url() + "/?" + url.Values{"tokens": {i.tokens("ada")}, "by": {by}}.Encode()
	one := browser.Open(t, address)
	one.Wait(t, `count('authenticated') === 1`)
	two := one.Another(t, address)
	two.Wait(t, `count('authenticated') === 1`)

	eventually(t, "both renew with one token", func() bool {
		i.mu.Lock()
		defer i.mu.Unlock()
		for _, c := range i.calls {
			if c.reason == "renew" && c.timesPresented == 2 {
				return true
			}
		}
		return false
	})
	// While one of them fetches a token, the other is due within its jitter of 0.3 s,
	// and must wait for that one.
	slow := make(chan struct{})
	i.set(func(i *issuer) { i.slow = slow })
	eventually(t, "a tab fetches a token", func() bool { i.mu.Lock(); defer i.mu.Unlock(); return i.active["ada"] > 0 })
	time.Sleep(time.Second)
	i.set(func(i *issuer) { i.slow = nil })
	close(slow)
	i.check(t, true)

	chaos(t, i, n, "ada", 2)
	i.check(t, true)

	pauses, sessions := 0, 0
	for _, tab := range []*browser.Page{one, two} {
		pauses += number(t, tab, "retry")
		sessions += number(t, tab, "authenticated")
	}
	if sessions > 2+pauses {
		t.Errorf("%d connections after %d pauses", sessions, pauses)
	}
	n.revoke(t, "ada")
	for _, tab := range []*browser.Page{one, two} {
		tab.Wait(t, `count('stopped token_revoked') === 1`)
		if state := tab.Eval(t, `connection.state`); state != "stopped" {
			t.Errorf("a tab of a revoked user is %s", state)
		}
	}
	i.mu.Lock()
	t.Logf("%d connections, %d pauses, %d tokens presented %d times", sessions, pauses, len(i.calls), len(i.presented))
	i.mu.Unlock()
}

func number(t *testing.T, tab *browser.Page, event string) int {
	t.Helper()
	n, err := strconv.Atoi(tab.Eval(t, `count('`+event+`')`))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
