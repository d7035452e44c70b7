// Package clientjs serves a JavaScript module that keeps Socket.IO connections
// authenticated: with socket.io-client 1.x to 4.x, in browsers and in Node, without
// dependencies. Start with [Handler].
//
//	mux.Handle("GET /auth/", http.StripPrefix("/auth/", clientjs.Handler()))
//
//	import { authenticated } from '/auth/client.mjs';
//	const { socket } = authenticated(io, 'https://chat.example.com', { getToken });
//
// The module gives every connection attempt a fresh token, renews it before it
// expires, comes back with back-off and jitter after everything that passes, and
// stops, with one callback, where the user has to log in. The options are in
// client.d.ts. The same rules, for clients in other languages, are in
// docs/client.md.
package clientjs

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
)

var (
	//go:embed client.mjs
	module []byte
	//go:embed client.d.ts
	types []byte
)

// Module returns the ES module, client.mjs, for applications that bundle it or
// serve it from elsewhere.
func Module() []byte { return bytes.Clone(module) }

// Script returns the module as a classic script, client.js: it sets the global
// socketioJWT, with the function authenticated.
func Script() []byte {
	body := bytes.ReplaceAll(module, []byte("\nexport function "), []byte("\nfunction "))
	return bytes.Join([][]byte{
		[]byte("var socketioJWT = (function () {\n'use strict';\n"), body, []byte("return { authenticated: authenticated };\n})();\n"),
	}, nil)
}

// Types returns the TypeScript declarations, client.d.ts. The compiler looks for those of
// the module in client.d.mts beside it.
func Types() []byte { return bytes.Clone(types) }

// Handler serves client.mjs, client.js (see [Script]), and [Types] as client.d.mts and
// client.d.ts. Mount it with [http.StripPrefix]. Browsers ask each time whether a file has changed, by
// its ETag.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /client.mjs", file("text/javascript; charset=utf-8", module))
	mux.Handle("GET /client.js", file("text/javascript; charset=utf-8", Script()))
	mux.Handle("GET /client.d.ts", file("text/plain; charset=utf-8", types))
	mux.Handle("GET /client.d.mts", file("text/plain; charset=utf-8", types))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// StripPrefix of a prefix that ends with a slash leaves none in front.
		if len(r.URL.Path) == 0 || r.URL.Path[0] != '/' {
			u, path := *r.URL, *r
			u.Path, u.RawPath = "/"+u.Path, ""
			path.URL = &u
			r = &path
		}
		mux.ServeHTTP(w, r)
	})
}

func file(contentType string, content []byte) http.Handler {
	sum := sha256.Sum256(content)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(content) // the client went away, at worst
	})
}
