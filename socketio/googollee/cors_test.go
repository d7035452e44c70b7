package googollee_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// TestCORSRefuses: options that cannot be meant fail in the constructor.
func TestCORSRefuses(t *testing.T) {
	for want, o := range map[string]googollee.Options{
		"CORS.Origin is empty":          {CORS: &googollee.CORS{}},
		`"*" with Credentials`:          {CORS: &googollee.CORS{Origin: []string{"*"}, Credentials: true}},
		`has "app.example.com"`:         {CORS: &googollee.CORS{Origin: []string{"app.example.com"}}},
		`has "https://app.example/x"`:   {CORS: &googollee.CORS{Origin: []string{"https://app.example/x"}}},
		`has "//app.example"`:           {CORS: &googollee.CORS{Origin: []string{"//app.example"}}},
		`has "https:///"`:               {CORS: &googollee.CORS{Origin: []string{"https:///"}}},
		`has "https://"`:                {CORS: &googollee.CORS{Origin: []string{"https://"}}},
		`has "https://app.example?q"`:   {CORS: &googollee.CORS{Origin: []string{"https://app.example?q"}}},
		`has "https://app.example#f"`:   {CORS: &googollee.CORS{Origin: []string{"https://app.example#f"}}},
		`has "https://u@app.example"`:   {CORS: &googollee.CORS{Origin: []string{"https://u@app.example"}}},
		`has "https://app.example:x"`:   {CORS: &googollee.CORS{Origin: []string{"https://app.example:x"}}},
		`has ""`:                        {CORS: &googollee.CORS{Origin: []string{""}}},
		"CORS and CheckOrigin are both": {CORS: &googollee.CORS{Origin: []string{"*"}}, CheckOrigin: func(*http.Request) bool { return true }},
	} {
		if _, err := googollee.NewServer(&o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, expected an error with %q", o, err, want)
		}
	}
}

// TestCORS: which pages a browser lets connect, read answers and use cookies, in both
// protocols.
func TestCORS(t *testing.T) {
	listed := &googollee.CORS{Origin: []string{"https://App.example.com:443", "http://localhost:5173"}}
	withCookies := &googollee.CORS{Origin: listed.Origin, Credentials: true}
	everybody := &googollee.CORS{Origin: []string{"*"}}
	for _, test := range []struct {
		name    string
		cors    *googollee.CORS
		origin  string
		allowed bool
		cookie  bool // counts, also with a websocket
	}{
		{"default, own origin", nil, "own", true, true},
		{"default, another", nil, "https://app.example.com", false, false},
		{"listed", listed, "https://app.example.com", true, false},
		{"listed, another port", listed, "https://app.example.com:8443", false, false},
		{"listed, another scheme", listed, "http://app.example.com", false, false},
		{"listed, with a port", listed, "http://localhost:5173", true, false},
		{"not listed", listed, "https://evil.example", false, false},
		{"listed, own origin", listed, "own", true, true},
		{"with cookies", withCookies, "https://app.example.com", true, true},
		{"with cookies, not listed", withCookies, "https://evil.example", false, false},
		{"everybody", everybody, "https://evil.example", true, false},
		{"everybody, a sandboxed page", everybody, "null", true, false},
		{"everybody, own origin", everybody, "own", true, true},
		{"no browser", listed, "", true, true},
	} {
		for _, eio := range []string{"3", "4"} {
			t.Run(test.name+"/"+eio, func(t *testing.T) {
				server, err := googollee.NewServer(&googollee.Options{CORS: test.cors})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = server.Close() })
				var presented atomic.Value
				accept := verifiertest.Accept(verifiertest.Claims{"sub": "ada"})
				_, err = server.Authorize("/", socketio.AuthenticatorFunc(func(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error) {
					cookie, _ := verifier.Cookie("token").Extract(ctx, h)
					presented.Store(cookie)
					return accept.Authenticate(ctx, h)
				}), socketio.ByHandshake())
				if err != nil {
					t.Fatal(err)
				}
				web := httptest.NewServer(server)
				defer web.Close()
				origin := test.origin
				if origin == "own" {
					origin = web.URL
				}
				header := http.Header{"Cookie": {"token=secret"}}
				if origin != "" {
					header.Set("Origin", origin)
				}

				res := preflight(t, web.URL+"/socket.io/?EIO="+eio+"&transport=polling", header)
				if (res.StatusCode == http.StatusNoContent) != test.allowed {
					t.Errorf("the preflight was answered %s", res.Status)
				}
				credentials := res.Header.Get("Access-Control-Allow-Credentials") == "true"
				if want := test.allowed && origin != "" && (test.cors == nil || test.cors.Credentials); credentials != want {
					t.Errorf("credentials are allowed: %v, expected %v", credentials, want)
				}

				ws, res, err := websocket.DefaultDialer.Dial("ws"+web.URL[4:]+"/socket.io/?EIO="+eio+"&transport=websocket", header)
				if (err == nil) != test.allowed {
					t.Fatalf("the websocket got %v", err)
				}
				if err != nil {
					if res.StatusCode != http.StatusForbidden {
						t.Errorf("the websocket was answered %s", res.Status)
					}
					return
				}
				defer ws.Close()
				enter(t, ws, eio)
				if (presented.Load() == "secret") != test.cookie {
					t.Errorf("the cookie that counts is %q", presented.Load())
				}
			})
		}
	}
}

// preflight asks, as a browser does, whether a page may send a POST.
func preflight(t *testing.T, url string, header http.Header) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header.Clone()
	r.Header.Set("Access-Control-Request-Method", "POST")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	return res
}

// enter connects to the root namespace.
func enter(t *testing.T, ws *websocket.Conn, eio string) {
	t.Helper()
	if eio == "4" {
		if _, _, err := ws.ReadMessage(); err != nil {
			t.Fatal(err)
		}
		if err := ws.WriteMessage(websocket.TextMessage, []byte("40")); err != nil {
			t.Fatal(err)
		}
	}
	for {
		_, b, err := ws.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(b), "40") {
			return
		}
	}
}
