package engine

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gorilla/websocket"
)

func TestOrigin(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		for _, test := range []struct {
			origin, site string
			status       int
		}{
			{"", "", 200},
			{"", "same-origin", 200},
			{"", "none", 200},
			{"", "cross-site", 403}, // a script element: JSONP
			{"", "same-site", 403},
			{"http://127.0.0.1:1", "", 200},
			{"https://127.0.0.1:1", "cross-site", 200},
			{"http://127.0.0.1", "", 403},
			{"http://127.0.0.1:1.evil.example", "", 403},
			{"http://evil.example", "", 403},
			{"http://evil.example/127.0.0.1:1", "", 403},
			{"null", "", 403},
			{"://", "", 403},
		} {
			c := w.client()
			c.Header = http.Header{}
			if test.origin != "" {
				c.Header.Set("Origin", test.origin)
			}
			if test.site != "" {
				c.Header.Set("Sec-Fetch-Site", test.site)
			}
			r, err := c.Get(w.Context())
			if err != nil || r.Status != test.status {
				t.Errorf("%+v: got %d, %v", test, r.Status, err)
			}
			want := ""
			if test.status == 200 {
				want = test.origin
			}
			if r.Header.Get("Access-Control-Allow-Origin") != want || (r.Header.Get("Access-Control-Allow-Credentials") == "true") != (want != "") {
				t.Errorf("%+v: got %v", test, r.Header)
			}
			c = w.client()
			c.Header = http.Header{}
			if test.origin != "" {
				c.Header.Set("Origin", test.origin)
			}
			if test.site != "" {
				c.Header.Set("Sec-Fetch-Site", test.site)
			}
			ws, res, err := c.Dial(w.Context())
			if err == nil {
				ws.Close()
			}
			if (err == nil) != (test.status == 200) || err != nil && res.StatusCode != 403 {
				t.Errorf("%+v: a websocket got %v", test, err)
			}
		}
	})
}

// TestFaultsE7DefaultPorts: a proxy may add the default port to Host.
func TestFaultsE7DefaultPorts(t *testing.T) {
	for _, test := range []struct {
		host, origin string
		same         bool
	}{
		{"example.com:443", "https://example.com", true},
		{"example.com", "https://example.com:443", true},
		{"example.com:80", "http://example.com", true},
		{"EXAMPLE.com:443", "https://example.com", true},
		{"[::1]:443", "https://[::1]", true},
		{"example.com:443", "http://example.com", false},
		{"example.com:80", "https://example.com", false},
		{"example.com:8443", "https://example.com", false},
		{"example.com:443", "https://evil.example", false},
		{"example.com:443", "https://example.com.evil.example:443", false},
		{"example.com443", "https://example.com", false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/socket.io/", nil)
		r.Host = test.host
		r.Header.Set("Origin", test.origin)
		if got := SameOrigin(r); got != test.same {
			t.Errorf("Host %s, Origin %s: same origin is %v, expected %v", test.host, test.origin, got, test.same)
		}
	}
}

// TestNoCredentials: another origin may read the answers, but its requests bring no
// cookies.
func TestNoCredentials(t *testing.T) {
	inWorld(t, func(_ *world, c *Config, _ *hooks) {
		c.CheckOrigin = func(*http.Request) bool { return true }
		c.NoCredentials = true
	}, func(w *world) {
		c := w.client()
		c.Header = http.Header{"Origin": {"https://app.example"}}
		r, err := c.Get(w.Context())
		if err != nil || r.Header.Get("Access-Control-Allow-Origin") != "https://app.example" || r.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("got %v, %v", r.Header, err)
		}
	})
}

func TestPreflight(t *testing.T) {
	inWorld(t, func(_ *world, c *Config, _ *hooks) {
		c.CheckOrigin = func(r *http.Request) bool { return r.Header.Get("Origin") == "https://app.example" }
	}, func(w *world) {
		for origin, status := range map[string]int{"https://app.example": 204, "https://evil.example": 403} {
			c := w.client()
			c.Header = http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"authorization,x-token"}}
			r, err := c.Do(w.Context(), http.MethodOptions, "", nil)
			if err != nil || r.Status != status {
				t.Fatalf("%s: got %v, %v", origin, r, err)
			}
			allowed := r.Header.Get("Access-Control-Allow-Origin") == origin && r.Header.Get("Access-Control-Allow-Headers") == "authorization,x-token" &&
				r.Header.Get("Access-Control-Allow-Credentials") == "true"
			if allowed != (status == 204) || status == 403 && r.Header.Get("Access-Control-Allow-Headers") != "" {
				t.Errorf("%s: got %v", origin, r.Header)
			}
		}
	})
}

// TestHTTP2: polling works over it; a websocket cannot, and is refused in a way
// that leaves the client to its polling.
func TestHTTP2(t *testing.T) {
	inRealTime(t, func(e *Server) {
		server := httptest.NewUnstartedServer(e)
		server.EnableHTTP2 = true
		server.StartTLS()
		defer server.Close()
		web := server.Client()
		get := func(query string) (int, string) {
			res, err := web.Get(server.URL + "/socket.io/?EIO=3&" + query)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			b, _ := io.ReadAll(res.Body)
			if res.ProtoMajor != 2 {
				t.Errorf("the protocol is %s", res.Proto)
			}
			return res.StatusCode, string(b)
		}
		if status, body := get("transport=polling"); status != 200 || body[len(body)-4:] != "2:40" {
			t.Errorf("got %d %s", status, body)
		}
		if status, _ := get("transport=websocket"); status < 400 {
			t.Errorf("a websocket was answered %d", status)
		}
		d := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}}
		ws, _, err := d.Dial("wss"+server.URL[5:]+"/socket.io/?EIO=3&transport=websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		ws.Close()
	})
}
