package tickets_test

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/httpauth"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/outage"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/socketio/redisstore"
	"github.com/seed15b1dee8/socketio-jwt/socketio/tickets"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// ahead is how far the clock of the tickets is ahead.
var ahead atomic.Int64

func TestMain(m *testing.M) { os.Exit(jsclient.Main(m)) }

// server is a process with real sockets, that shares Redis with others.
func server(t *testing.T, r *redis.Client, sockets func(t *testing.T, auth socketio.Authenticator, options ...socketio.Option) http.Handler) *httptest.Server {
	t.Helper()
	used, err := redisstore.NewUsed(r, "test:tickets:")
	if err != nil {
		t.Fatal(err)
	}
	quiet := socketio.WithLogger(slog.New(slog.DiscardHandler))
	registry := socketio.NewRegistry(nil)
	web, err := verifier.New(issuer, verifier.WithExtractor(verifier.BearerHeader()))
	if err != nil {
		t.Fatal(err)
	}
	guard, err := httpauth.New(web, registry, &httpauth.Options{Policy: []socketio.Option{quiet}})
	if err != nil {
		t.Fatal(err)
	}
	tk, err := tickets.New(guard, &tickets.Options{Secrets: [][]byte{secret}, Store: used, Clock: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	v, err := verifier.New(issuer, verifier.WithExtractor(tk.Ticket()))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/ticket", tk)
	mux.Handle("/socket.io/", sockets(t, v, quiet, socketio.WithRegistry(registry), socketio.ByHandshake()))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func onGoogollee(t *testing.T, auth socketio.Authenticator, options ...socketio.Option) http.Handler {
	s, err := googollee.NewServer(&googollee.Options{Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		_, err = s.Authorize("/", auth, options...)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func onZishang(t *testing.T, auth socketio.Authenticator, options ...socketio.Option) http.Handler {
	o := socket.DefaultServerOptions()
	o.SetAllowEIO3(true)
	s := zishang.NewServer(o, zishang.WithLogger(slog.New(slog.DiscardHandler)))
	if _, err := s.Authorize("/", auth, options...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// get gets a ticket over HTTP.
func get(t *testing.T, s *httptest.Server, sub string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, s.URL+"/ticket", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token(sub))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	var ticket struct{ Ticket string }
	if err := json.Unmarshal(body, &ticket); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", answer.Status, body)
	}
	return ticket.Ticket
}

func startRedis(t *testing.T) *redis.Client {
	t.Helper()
	r, err := outage.NewRedis()
	if errors.Is(err, outage.ErrNoRedis) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	client := redis.NewClient(&redis.Options{Addr: r.Address()})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// TestRedis: a ticket that was used, that expired, or that a page of another origin tried,
// is refused by every process that shares the Redis.
func TestRedis(t *testing.T) {
	client := startRedis(t)
	var nodes [2]*node
	for i := range nodes {
		used, err := redisstore.NewUsed(client, "test:tickets:")
		if err != nil {
			t.Fatal(err)
		}
		nodes[i] = newNode(t, tickets.Options{Secrets: [][]byte{secret}, Store: used})
	}
	ticket := nodes[0].ticket(t, bearer("ada")...)
	if who, err := nodes[1].use(ticket); who != "ada" || err != nil {
		t.Errorf("%q, %v", who, err)
	}
	page := []string{"Cookie", "session=" + token("ada"), "Origin", "http://chat.example"}
	tried := nodes[0].ticket(t, page...)
	_, err := nodes[1].use(tried, "Origin", "https://evil.example")
	expectInvalid(t, err, "for the origin")
	late := nodes[0].ticket(t, bearer("ada")...)
	for _, n := range nodes {
		_, err := n.use(ticket)
		expectInvalid(t, err, "used before")
		_, err = n.use(tried, page...)
		expectInvalid(t, err, "used before")
		n.clock.Advance(31 * time.Second)
		_, err = n.use(late)
		expectInvalid(t, err, "expired")
	}
}

// TestRealClients: on two processes with one Redis, a ticket opens one socket.
func TestRealClients(t *testing.T) {
	client := startRedis(t)
	d := jsclient.Start(t)

	for _, row := range []struct {
		name    string
		sockets func(*testing.T, socketio.Authenticator, ...socketio.Option) http.Handler
		version jsclient.Version
		refused string
	}{
		{"googollee, client 1.7.4", onGoogollee, jsclient.V1, "error"},
		{"googollee, client 2.5.0", onGoogollee, jsclient.V2, "error"},
		{"googollee, client 4.8.4", onGoogollee, jsclient.V4, "connect_error"},
		{"zishang, client 1.7.4", onZishang, jsclient.V1, "error"},
		{"zishang, client 2.5.0", onZishang, jsclient.V2, "error"},
		{"zishang, client 4.8.4", onZishang, jsclient.V4, "connect_error"},
	} {
		t.Run(row.name, func(t *testing.T) {
			one, two := server(t, client, row.sockets), server(t, client, row.sockets)
			open := func(s *httptest.Server, ticket string, header map[string]string) *jsclient.Client {
				o := jsclient.Options{Version: row.version, URL: s.URL, Header: header, Extra: map[string]any{"reconnection": false}}
				if row.version.Modern() {
					o.Auth = map[string]any{"ticket": ticket}
				} else {
					o.Query = map[string]string{"ticket": ticket}
				}
				return d.Connect(t, o)
			}
			refused := func(c *jsclient.Client) {
				t.Helper()
				if e := c.Expect(t, row.refused); !strings.Contains(e.String(), `"ticket_invalid"`) {
					t.Errorf("refused with %s", e)
				}
			}
			ticket := get(t, one, "ada")
			ada := open(two, ticket, nil)
			ada.Expect(t, "connect")
			refused(open(one, ticket, nil))
			refused(open(two, ticket, nil))

			late := get(t, one, "ada")
			ahead.Store(int64(31 * time.Second))
			refused(open(two, late, nil))
			refused(open(one, late, nil))
			ahead.Store(0)

			// A live socket does not become somebody else by a ticket, and renews by
			// its own.
			ada.Emit(t, "authenticate", map[string]any{"ticket": get(t, one, "mallory")})
			if e := ada.Expect(t, "unauthorized"); !strings.Contains(e.String(), `"identity_mismatch"`) {
				t.Errorf("another user's ticket: %s", e)
			}
			ada.Emit(t, "authenticate", map[string]any{"ticket": get(t, one, "ada")})
			ada.Expect(t, "authenticated")
			ada.Emit(t, "authenticate", map[string]any{"ticket": ticket})
			if e := ada.Expect(t, "unauthorized"); !strings.Contains(e.String(), `"ticket_invalid"`) {
				t.Errorf("a used ticket: %s", e)
			}
		})
	}
}
