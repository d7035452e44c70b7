package chatpage

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

var secret = mint.Secret()

func site() http.Handler {
	return New(secret, Version2, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
}

func request(h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w
}

func TestRoutes(t *testing.T) {
	for _, test := range []struct {
		method, path string
		status       int
		contentType  string
	}{
		{"GET", "/", http.StatusOK, "text/html; charset=utf-8"},
		{"GET", "/page.css", http.StatusOK, "text/css; charset=utf-8"},
		{"GET", "/page.js", http.StatusOK, "text/javascript; charset=utf-8"},
		{"GET", "/socket.io/?EIO=3", http.StatusTeapot, ""},
		{"POST", "/socket.io/?EIO=3", http.StatusTeapot, ""},
		{"GET", "/token", http.StatusMethodNotAllowed, "text/plain; charset=utf-8"},
		{"GET", "/elsewhere", http.StatusNotFound, "text/plain; charset=utf-8"},
	} {
		w := request(site(), test.method, test.path, "")
		if w.Code != test.status || w.Header().Get("Content-Type") != test.contentType {
			t.Errorf("%s %s is answered %d, %q", test.method, test.path, w.Code, w.Header().Get("Content-Type"))
		}
	}
}

// TestPage: what the page refers to is served, and nothing of it is inline, which
// its policy would not let run.
func TestPage(t *testing.T) {
	page := request(site(), "GET", "/", "").Body.String()
	for _, want := range []string{`src="/socket.io/socket.io.js"`, `src="/page.js"`, `href="/page.css"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	for _, unwanted := range []string{"<style", " style=", " onclick=", "<script>"} {
		if strings.Contains(page, unwanted) {
			t.Errorf("the page has %s in it", unwanted)
		}
	}
}

func TestLogin(t *testing.T) {
	key, err := keys.Secret(secret)
	if err != nil {
		t.Fatal(err)
	}
	v, err := verifier.New(key, verifier.Issuer(Issuer), verifier.Audience(Audience))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, body string
		status     int
		subject    string
		reason     verifier.Reason
	}{
		{"a name", `{"name": "  Ada   Lovelace "}`, http.StatusOK, "ada lovelace", ""},
		{"beyond ASCII", `{"name": "Zoë 世界"}`, http.StatusOK, "zoë 世界", ""},
		{"expired", `{"name": "Ada", "flaw": "expired"}`, http.StatusOK, "", verifier.ErrTokenExpired},
		{"audience", `{"name": "Ada", "flaw": "audience"}`, http.StatusOK, "", verifier.ErrAudienceMismatch},
		{"another flaw", `{"name": "Ada", "flaw": "x"}`, http.StatusBadRequest, "", ""},
		{"no name", `{"name": "  "}`, http.StatusBadRequest, "", ""},
		{"a long name", `{"name": "` + strings.Repeat("x", MaxName+1) + `"}`, http.StatusBadRequest, "", ""},
		{"a control character", `{"name": "a\u0000b"}`, http.StatusBadRequest, "", ""},
		{"not JSON", `name=Ada`, http.StatusBadRequest, "", ""},
		{"a large body", `{"name": "` + strings.Repeat(" ", 1<<11) + `"}`, http.StatusBadRequest, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := request(site(), "POST", "/token", test.body)
			if w.Code != test.status {
				t.Fatalf("answered %d %s", w.Code, w.Body)
			}
			if w.Code != http.StatusOK {
				return
			}
			var answer struct{ Token string }
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
				t.Fatal(err)
			}
			token, err := v.Verify(context.Background(), answer.Token)
			switch {
			case test.reason != "":
				if u := verifier.AsUnauthorized(err); u == nil || u.Reason != test.reason {
					t.Errorf("the token is %v, want %s", err, test.reason)
				}
			case err != nil:
				t.Error(err)
			case token.Subject != test.subject:
				t.Errorf("the subject is %q, want %q", token.Subject, test.subject)
			}
		})
	}
}

func TestLoginFromAnotherOrigin(t *testing.T) {
	r := httptest.NewRequest("POST", "/token", strings.NewReader(`{"name": "Ada"}`))
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	site().ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("another origin's page is answered %d", w.Code)
	}
}

func TestClientScript(t *testing.T) {
	const script = "/* the client */"
	install := func(folder, version string) {
		t.Helper()
		dist := filepath.Join(folder, "dist")
		if err := os.MkdirAll(dist, 0o755); err != nil {
			t.Fatal(err)
		}
		for path, text := range map[string]string{
			filepath.Join(folder, "package.json"): `{"version": "` + version + `"}`,
			filepath.Join(dist, "socket.io.js"):   script,
		} {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	root := t.TempDir()
	below := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(below, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(below)

	own := func() {
		t.Helper()
		w := request(site(), "GET", "/socket.io/socket.io.js", "")
		page := request(site(), "GET", "/", "").Body.String()
		if w.Code != http.StatusOK || w.Body.String() != string(small) || !strings.Contains(page, "npm install socket.io-client@2.5.0") {
			t.Errorf("answered %d %.40q, and the page %q", w.Code, w.Body, page)
		}
	}
	served := func() {
		t.Helper()
		w := request(site(), "GET", "/socket.io/socket.io.js", "")
		if w.Code != http.StatusOK || w.Body.String() != script || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/javascript") {
			t.Errorf("answered %d %q %q", w.Code, w.Header().Get("Content-Type"), w.Body)
		}
	}
	own()
	package2 := filepath.Join(root, "node_modules", "socket.io-client")
	install(package2, "4.8.4")
	own() // another version is another protocol
	install(package2, "2.5.0")
	served()
	if err := os.RemoveAll(package2); err != nil {
		t.Fatal(err)
	}
	own()
	install(filepath.Join(root, "socketio", "interop", ".cache", "clients-0", "node_modules", "sio2"), "2.5.0")
	served()
}
