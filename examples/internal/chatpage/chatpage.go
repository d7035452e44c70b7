// Package chatpage is the page that the examples serve: a person logs in under
// a name, sees the claims of the token that the server mints, chats with the
// others, and tries what happens with a bad token or none.
//
// The page works with clients 2.x, and with clients 4.x, which may authenticate by
// event or in the handshake. Without an npm install it has a small client, so that it
// works without Node and without a network. The chat's server has to
//
//   - acknowledge the event "message", whose argument is a text, and emit
//     "message" with {"from": name, "text": text} to everybody;
//   - emit "people" with the list of names to everybody when it changes.
//
// The server tells the page before its token expires ("token_expiring"). The page then
// renews the token, unless the person turned that off to see what happens. When the
// connection is lost, the page reconnects with a new token.
package chatpage

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
)

// The issuer and audience of the tokens, for the verifier to expect.
const (
	Issuer   = "https://login.example"
	Audience = "chat"
)

// Lifetime is that of the tokens that the page gets: short, so that a person sees
// one renewed, or expire.
const Lifetime = 2 * time.Minute

// MaxName is the length in characters of the longest name.
const MaxName = 24

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS []byte
	//go:embed page.js
	pageJS []byte

	page = template.Must(template.New("page").Parse(pageHTML))
)

// New returns the handler of the whole site: the page, its login, which signs
// tokens with the secret, the script of the client, and the Socket.IO server. The page
// links to one for each of the other clients.
func New(secret []byte, client Client, socketio http.Handler, others ...Client) http.Handler {
	mux := http.NewServeMux()
	all := append([]Client{client}, others...)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		chosen, others := choose(all, r.URL.Query().Get("client"))
		script := "/socket.io/socket.io.js"
		if chosen != client {
			script = chosen.script()
		}
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "+
			"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		others = slices.DeleteFunc(others, func(c Client) bool { return !c.Installed() })
		_ = page.Execute(w, struct {
			Client    Client
			Installed bool
			Script    string
			Others    []Client
			MaxName   int
		}{chosen, chosen.Installed(), script, others, MaxName}) // the browser went away, at worst
	})
	mux.Handle("GET /page.css", Stylesheet())
	mux.Handle("GET /page.js", asset("text/javascript; charset=utf-8", pageJS))
	mux.Handle("POST /token", http.NewCrossOriginProtection().Handler(login(secret)))
	mux.Handle("GET /socket.io/socket.io.js", client)
	for _, c := range others {
		mux.Handle("GET "+c.script(), c)
	}
	mux.Handle("/socket.io/", socketio)
	return mux
}

// Stylesheet returns the handler of the page's CSS, for the pages of other
// examples to look alike.
func Stylesheet() http.Handler { return asset("text/css; charset=utf-8", pageCSS) }

func asset(contentType string, content []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(content)
	})
}

// login mints a token for anyone who gives a name; there are no passwords here.
// The page may also ask for one that has expired, or is meant for another
// audience, to show what happens to it.
func login(secret []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Name string `json:"name"`
			Flaw string `json:"flaw"`
		}
		if json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&asked) != nil {
			http.Error(w, `expected a JSON object such as {"name": "Ada"}`, http.StatusBadRequest)
			return
		}
		name := strings.Join(strings.Fields(asked.Name), " ")
		if !goodName(name) {
			http.Error(w, "A name has 1 to 24 letters, digits, spaces or marks.", http.StatusBadRequest)
			return
		}
		claims := Claims(name, time.Now())
		switch asked.Flaw {
		case "":
		case "expired":
			claims = Claims(name, time.Now().Add(-2*Lifetime))
		case "audience":
			claims["aud"] = "billing"
		default:
			http.Error(w, "The flaw is expired, audience or nothing.", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(map[string]string{"token": mint.HS256(secret, claims)})
	})
}

// choose returns the client of a version, the first one if there is none, and the others.
func choose(all []Client, version string) (chosen Client, others []Client) {
	i := max(0, slices.IndexFunc(all, func(c Client) bool { return c.Version == version }))
	return all[i], slices.Delete(slices.Clone(all), i, i+1)
}

// Claims are those of a token issued to a person at a time.
func Claims(name string, at time.Time) map[string]any {
	return map[string]any{
		"iss": Issuer, "aud": Audience, "sub": strings.ToLower(name), "name": name,
		"iat": at.Unix(), "exp": at.Add(Lifetime).Unix(),
	}
}

func goodName(name string) bool {
	if name == "" || utf8.RuneCountInString(name) > MaxName {
		return false
	}
	for _, r := range name {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return false
		}
	}
	return true
}
