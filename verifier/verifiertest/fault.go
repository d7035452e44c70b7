package verifiertest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Fault is how an issuer misbehaves: it answers the request in the issuer's
// place, and may call serve for the right answer. A test can write its own. The
// request's context ends when the client gives up or the issuer is closed.
type Fault func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc)

// Status answers with the status code and no key set.
func Status(code int) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		http.Error(w, http.StatusText(code), code)
	}
}

// Down takes the issuer off the network. In memory a connection is refused;
// over HTTP it is cut before an answer.
func Down() Fault {
	return func(http.ResponseWriter, *http.Request, http.HandlerFunc) { panic(http.ErrAbortHandler) }
}

// Body answers 200 with the body and content type, whatever they are.
func Body(contentType, body string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		w.Header().Set("Content-Type", contentType)
		w.Write([]byte(body))
	}
}

// Oversize answers with a key set, padded with white space to n bytes and more.
func Oversize(n int) Fault {
	return func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(strings.Repeat(" ", n)))
		serve(bodyOnly{w}, r)
	}
}

// bodyOnly drops the header of an answer that has begun already.
type bodyOnly struct{ http.ResponseWriter }

func (bodyOnly) Header() http.Header { return http.Header{} }
func (bodyOnly) WriteHeader(int)     {}

// Redirect redirects to the target, a URL or a path, unless that is what the
// request asks for. The issuer minds no query: "/.well-known/jwks.json?moved" is
// another target on the same origin.
func Redirect(target string) Fault {
	return func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if r.URL.RequestURI() == target {
			serve(w, r)
			return
		}
		http.Redirect(w, r, target, http.StatusFound)
	}
}

// Slow answers rightly, but d later.
func Slow(d time.Duration) Fault {
	return func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			serve(w, r)
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
}

// Hang says nothing until release is closed, and then answers rightly.
func Hang(release <-chan struct{}) Fault {
	return func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		select {
		case <-release:
			serve(w, r)
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
}

// Trickle sends the header and the beginning of a body, as a slow loris does,
// and nothing else until release is closed; then the connection is cut.
func Trickle(release <-chan struct{}) Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		const body = `{"keys":[`
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(2*len(body)))
		w.Write([]byte(body))
		http.NewResponseController(w).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	}
}
