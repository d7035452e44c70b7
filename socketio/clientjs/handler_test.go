package clientjs_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio/clientjs"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
)

func TestHandler(t *testing.T) {
	for prefix, strip := range map[string]string{"/auth/": "/auth/", "/auth": "/auth", "": ""} {
		h := http.StripPrefix(strip, clientjs.Handler())
		base := strings.TrimSuffix(prefix, "/")
		for path, want := range map[string]struct {
			contentType string
			content     []byte
		}{
			"/client.mjs":  {"text/javascript; charset=utf-8", clientjs.Module()},
			"/client.js":   {"text/javascript; charset=utf-8", clientjs.Script()},
			"/client.d.ts": {"text/plain; charset=utf-8", clientjs.Types()}, "/client.d.mts": {"text/plain; charset=utf-8", clientjs.Types()},
		} {
			first := httptest.NewRecorder()
			h.ServeHTTP(first, httptest.NewRequest("GET", base+path, nil))
			if got := first.Header().Get("Content-Type"); first.Code != 200 || got != want.contentType || !bytes.Equal(first.Body.Bytes(), want.content) {
				t.Errorf("%s%s: %d, %s", prefix, path, first.Code, got)
			}
			again := httptest.NewRequest("GET", base+path, nil)
			again.Header.Set("If-None-Match", first.Header().Get("ETag"))
			second := httptest.NewRecorder()
			h.ServeHTTP(second, again)
			if second.Code != http.StatusNotModified || second.Body.Len() > 0 {
				t.Errorf("%s%s again: %d", prefix, path, second.Code)
			}
		}
	}
	w := httptest.NewRecorder()
	clientjs.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("something else: %d", w.Code)
	}
}

// TestScript: the classic script runs, and sets the one global.
func TestScript(t *testing.T) {
	jsclient.Install(t) // for Node
	check := "\nif (typeof socketioJWT.authenticated !== 'function' || typeof claims !== 'undefined') throw new Error('no');"
	cmd := exec.Command("node", "-e", "require('vm').runInThisContext(require('fs').readFileSync(0, 'utf8'))")
	cmd.Stdin = strings.NewReader(string(clientjs.Script()) + check)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestLength: the module stays short enough to be read before it is used.
func TestLength(t *testing.T) {
	if lines := bytes.Count(clientjs.Module(), []byte("\n")); lines > 250 {
		t.Errorf("client.mjs has %d lines, more than 250", lines)
	}
	if bytes.Contains(clientjs.Module(), []byte("import ")) {
		t.Error("client.mjs imports something")
	}
}
