package main

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/chatpage"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/dpop"
)

// newServer makes the server: anyone who has a token signed with the secret, and
// proves to hold the key that it is bound to, may speak. The options are more of
// the proofs'.
func newServer(secret []byte, urls []string, options ...dpop.Option) (*googollee.Server, error) {
	proof, err := dpop.New(append([]dpop.Option{
		dpop.URL(urls...),
		dpop.Nonces(nil, time.Minute),
	}, options...)...)
	if err != nil {
		return nil, err
	}
	key, err := keys.Secret(secret)
	if err != nil {
		return nil, err
	}
	v, err := verifier.New(key,
		verifier.Issuer(chatpage.Issuer),
		verifier.Audience(chatpage.Audience),
		verifier.RequireExpiration(),
		verifier.WithExtractor(dpop.Extractor()),
		verifier.Validate(proof),
	)
	if err != nil {
		return nil, err
	}
	server, err := googollee.NewServer(nil)
	if err != nil {
		return nil, err
	}
	room, err := server.Authorize("/", v, socketio.ByEvent())
	if err != nil {
		return nil, err
	}
	room.OnEvent("whoami", func(c *googollee.Conn) string { return c.Session().Token().Subject })
	return server, nil
}

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.js
	pageJS []byte
	//go:embed proof.js
	proofJS []byte

	page = template.Must(template.New("page").Parse(pageHTML))
)

// newSite is the page, its login and the Socket.IO server.
func newSite(secret []byte, server http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; "+
			"img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		_ = page.Execute(w, chatpage.Version2) // the browser went away, at worst
	})
	mux.Handle("GET /page.css", chatpage.Stylesheet())
	mux.Handle("GET /page.js", script(pageJS))
	mux.Handle("GET /proof.js", script(proofJS))
	mux.Handle("POST /token", http.NewCrossOriginProtection().Handler(login(secret)))
	mux.Handle("GET /socket.io/socket.io.js", chatpage.Version2)
	mux.Handle("/socket.io/", server)
	return mux
}

func script(text []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(text)
	})
}

// login mints a token for anyone who gives a name and a public key, and binds it
// to that key. In production an authorization server does that, and asks for a
// password and for a proof.
func login(secret []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Name string          `json:"name"`
			JWK  json.RawMessage `json:"jwk"`
		}
		if json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&asked) != nil {
			http.Error(w, `expected a JSON object such as {"name": "Ada", "jwk": {...}}`, http.StatusBadRequest)
			return
		}
		name := strings.TrimSpace(asked.Name)
		if name == "" || utf8.RuneCountInString(name) > chatpage.MaxName {
			http.Error(w, "A name has 1 to 24 characters.", http.StatusBadRequest)
			return
		}
		thumbprint, err := dpop.Thumbprint(asked.JWK)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		claims := chatpage.Claims(name, time.Now())
		claims["cnf"] = map[string]string{"jkt": thumbprint}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(map[string]string{"token": mint.HS256(secret, claims)})
	})
}
