package suites

import (
	"encoding/json"
	"net/http"
	"sync"

	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// stoppable is a server of one of the bindings.
type stoppable interface {
	http.Handler
	Close() error
}

// fixtures starts and stops servers as a suite asks, and issues tokens.
type fixtures struct {
	start    func(options *json.Decoder) (stoppable, error)
	profiles map[string]verifiertest.Claims // whose token each path of the fixture answers with

	mu     sync.Mutex // guards server
	server stoppable
}

func (f *fixtures) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.server != nil {
		_ = f.server.Close()
		f.server = nil
	}
}

func (f *fixtures) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if claims, ok := f.profiles[r.URL.Path]; ok {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"token": suiteIssuer.Token(claims)})
		return
	}
	switch r.URL.Path {
	case "/start":
		f.stop()
		server, err := f.start(json.NewDecoder(r.Body))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.server = server
	case "/stop":
		f.stop()
	default:
		f.mu.Lock()
		server := f.server
		f.mu.Unlock()
		if server == nil {
			http.NotFound(w, r)
			return
		}
		server.ServeHTTP(w, r)
	}
}
