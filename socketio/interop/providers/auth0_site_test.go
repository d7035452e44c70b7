package providers

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/clientjs"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/npm"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

//go:embed tenant.mjs
var tenantScript []byte

const (
	chatAPI = "https://chat.example.com" // the audience in docs/client.md
	html    = `<!doctype html><meta charset="utf-8"><title>Chat</title><link rel="icon" href="data:,">
<p id="state"></p><button id="login">Log in</button><button id="logout">Log out</button><div id="root"></div>
<script type="module" src="/page.js"></script>`
)

// site is a server of a page and of its sockets, which accepts the tokens of a tenant.
type site struct {
	url    string
	tenant string // its address, with a slash at the end
	chat   *googollee.Namespace

	mu     sync.Mutex // guards what follows
	tokens []presented
}

// presented is a token that the server accepted.
type presented struct {
	id      string
	renewed bool // on a live session, and not for a new connection
	endsAt  time.Time
}

// newSite starts a tenant and a server. The page is main with the files of the docs, after
// these changes to them: pairs of what is there, and what is to be there.
func newSite(t *testing.T, main string, changes ...string) *site {
	t.Helper()
	path, err := script("tenant.mjs", tenantScript)
	npm.Check(t, err)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s := &site{url: server.URL}
	settings := must[[]byte](t)(json.Marshal(map[string]any{
		"pages": []string{s.url, s.elsewhere()}, "jwks": map[string]any{"keys": []any{privateJWK(t, "RS256", "key-1")}},
	}))
	tenant := &process{t: t, name: "node", args: []string{path}, env: []string{"SETTINGS=" + string(settings)}}
	tenant.start()
	s.tenant = tenant.address

	page := bundle(t, filepath.Dir(path), main, append(changes, "tenant.eu.auth0.com", strings.TrimSuffix(s.tenant, "/")))
	mux.HandleFunc("GET /page.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, page) })
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, html)
	})
	mux.Handle("/socket.io/", s.sockets(t))
	return s
}

func (s *site) sockets(t *testing.T) http.Handler {
	t.Helper()
	keys := must[*jwks.Provider](t)(jwks.OIDC(s.tenant, jwks.InsecureAllowHTTP(), jwks.WithLogger(quiet)))
	v := must[*verifier.Verifier](t)(verifier.New(keys, verifier.Audience(chatAPI)))
	server := must[*googollee.Server](t)(googollee.NewServer(&googollee.Options{Logger: quiet}))
	t.Cleanup(func() { _ = server.Close() })
	s.chat = must[*googollee.Namespace](t)(server.Authorize("/", v, socketio.ByHandshake(), socketio.WithLogger(quiet),
		socketio.OnRenewed(func(session *socketio.Session) { s.note(session, true) })))
	s.chat.OnAuthenticated(func(_ *googollee.Conn, session *socketio.Session) error {
		s.note(session, false)
		return nil
	})
	return server
}

// elsewhere is the site's address under another name: for a page there, the tenant's cookies
// are third-party cookies.
func (s *site) elsewhere() string { return strings.Replace(s.url, "127.0.0.1", "localhost", 1) }

func (s *site) note(session *socketio.Session, renewed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = append(s.tokens, presented{session.Token().ID, renewed, session.EndsAt()})
}

func (s *site) accepted() []presented {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.tokens)
}

// tell changes the tenant: see tenant.mjs.
func (s *site) tell(t *testing.T, what string) {
	t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	r := must[*http.Response](t)(client.Get(s.tenant + "test?" + what))
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Fatalf("the tenant answers %s", r.Status)
	}
}

// renews has the page renew its token until a token ends before that time from now. It
// expects that the page stays connected and presents no token twice.
func (s *site) renews(t *testing.T, within time.Duration) {
	t.Helper()
	before := s.accepted()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		s.chat.Broadcast(socketio.EventTokenExpiring, map[string]any{"expires_in": 60}) // the page ignores it while it renews
		for _, p := range s.accepted()[len(before):] {
			switch {
			case !p.renewed:
				t.Fatalf("the connection did not stay: %+v", s.accepted())
			case slices.ContainsFunc(before, func(old presented) bool { return old.id == p.id }):
				t.Fatalf("the page renews with the token that it has: %+v", s.accepted())
			case time.Until(p.endsAt) < within:
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("no such renewal: %+v", s.accepted())
		}
	}
}

// bundle writes main, the files of the docs and the helper into a folder, and bundles them.
func bundle(t *testing.T, installed, main string, changes []string) (path string) {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{"main.jsx": main, "client.mjs": string(clientjs.Module())}
	code := regexp.MustCompile("(?ms)^```jsx? (\\w+\\.jsx?)\n(.*?)^```$")
	for page, heading := range map[string]string{"client.md": "With Auth0's SDK", "cookbook.md": "Renewal in a React page"} {
		text := must[[]byte](t)(os.ReadFile(filepath.Join("../../../docs", page)))
		_, section, _ := strings.Cut(string(text), "\n## "+heading+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		for _, m := range code.FindAllStringSubmatch(section, -1) {
			files[m[1]] = m[2]
		}
	}
	for i := 0; i < len(changes); i += 2 {
		found := false
		for _, name := range []string{"page.js", "app.jsx"} {
			found = found || strings.Contains(files[name], changes[i])
			files[name] = strings.ReplaceAll(files[name], changes[i], changes[i+1])
		}
		if !found {
			t.Fatalf("the files of docs/client.md do not have %q", changes[i])
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := npm.Bundle(installed, dir, "--format=esm"); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "bundle.js")
}
