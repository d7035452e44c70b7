package main

import (
	_ "embed"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/chatpage"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/clientjs"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/httpauth"
	"github.com/seed15b1dee8/socketio-jwt/socketio/tickets"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// cookie is the session cookie. Over https it is best called "__Host-session".
const cookie = "session"

var (
	//go:embed page.html
	pageHTML []byte
	//go:embed page.js
	pageJS []byte
)

// newServer makes the whole site. The options are more of the verifiers'.
func newServer(secret []byte, options ...verifier.Option) (http.Handler, *googollee.Server, error) {
	key, err := keys.Secret(secret)
	if err != nil {
		return nil, nil, err
	}
	// with is a verifier of the same tokens, found elsewhere.
	with := func(e verifier.Extractor) (*verifier.Verifier, error) {
		all := append([]verifier.Option{verifier.Issuer(chatpage.Issuer), verifier.Audience(chatpage.Audience), verifier.WithExtractor(e)}, options...)
		return verifier.New(key, all...)
	}
	web, err := with(verifier.OneOf(verifier.BearerHeader(), verifier.Cookie(cookie)))
	if err != nil {
		return nil, nil, err
	}
	registry := socketio.NewRegistry(nil) // of REST and sockets
	guard, err := httpauth.New(web, registry, &httpauth.Options{Realm: "chat"})
	if err != nil {
		return nil, nil, err
	}
	ticket, err := tickets.New(guard, &tickets.Options{Bind: tickets.Cookie(cookie)})
	if err != nil {
		return nil, nil, err
	}
	v, err := with(ticket.Ticket())
	if err != nil {
		return nil, nil, err
	}
	sockets, err := googollee.NewServer(nil)
	if err != nil {
		return nil, nil, err
	}
	chat, err := sockets.Authorize("/", v, socketio.ByHandshake(), socketio.WithRegistry(registry))
	if err != nil {
		return nil, nil, err
	}

	mux := http.NewServeMux()
	mux.Handle("/socket.io/", sockets)
	mux.Handle("POST /ticket", ticket)
	mux.Handle("GET /me", guard.Require(http.HandlerFunc(me)))
	mux.Handle("POST /messages", guard.Require(post(chat)))
	mux.Handle("POST /logout", guard.Require(logout(registry)))
	mux.Handle("POST /login", http.NewCrossOriginProtection().Handler(login(secret)))
	mux.Handle("GET /socket.io/socket.io.js", chatpage.Version4)
	mux.Handle("GET /auth/", http.StripPrefix("/auth/", clientjs.Handler()))
	mux.Handle("GET /page.css", chatpage.Stylesheet())
	mux.Handle("GET /page.js", asset("text/javascript; charset=utf-8", pageJS))
	mux.Handle("GET /{$}", asset("text/html; charset=utf-8", pageHTML))
	return mux, sockets, nil
}

func asset(contentType string, content []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "+
			"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		_, _ = w.Write(content)
	})
}

func me(w http.ResponseWriter, r *http.Request) {
	_ = json.NewEncoder(w).Encode(map[string]string{"sub": httpauth.Token(r.Context()).Subject})
}

// post emits what is posted to all sockets, with the user of the token.
func post(chat *googollee.Namespace) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<10))
		text := strings.TrimSpace(string(body))
		if err != nil || text == "" {
			http.Error(w, "say something", http.StatusBadRequest)
			return
		}
		chat.Broadcast("message", map[string]string{"from": httpauth.Token(r.Context()).Subject, "text": text})
		w.WriteHeader(http.StatusNoContent)
	})
}

// logout ends the user's sockets and refuses the tokens issued so far, over HTTP too.
func logout(registry *socketio.Registry) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := httpauth.Token(r.Context())
		err := registry.Revoke(r.Context(), socketio.Revocation{
			Issuer: token.Issuer, Subject: token.Subject,
			IssuedBefore: time.Now().Truncate(time.Second).Add(time.Second), // iat is in whole seconds
			Expires:      time.Now().Add(chatpage.Lifetime),
		})
		if err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: cookie, Path: "/", MaxAge: -1})
		w.WriteHeader(http.StatusNoContent)
	})
}

// login sets the session cookie for anyone who gives a name; there are no passwords here.
func login(secret []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimSpace(r.FormValue("name"))
		if name == "" || len(name) > chatpage.MaxName {
			http.Error(w, "a name has 1 to 24 bytes", http.StatusBadRequest)
			return
		}
		http.SetCookie(w, &http.Cookie{
			Name: cookie, Value: mint.HS256(secret, chatpage.Claims(name, time.Now())), Path: "/",
			HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: int(chatpage.Lifetime / time.Second),
		})
		w.WriteHeader(http.StatusNoContent)
	})
}
