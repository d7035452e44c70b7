package googollee_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/rawclient"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

const stop = "stop"

// visit is one connection of a client until it is disconnected. It presents a bad
// token where it is asked for one, and acknowledges that it was refused.
func visit(ctx context.Context, c *rawclient.Session, transport string, heard func(packet string) (answer string)) {
	if transport == "websocket" {
		visitByWebsocket(ctx, c, heard)
	} else {
		visitByPolling(ctx, c, heard)
	}
}

func visitByWebsocket(ctx context.Context, c *rawclient.Session, heard func(packet string) (answer string)) {
	ws, _, err := c.Dial(ctx)
	if err != nil {
		return
	}
	defer ws.Close()
	for {
		_ = ws.SetReadDeadline(time.Now().Add(20 * time.Second))
		p, err := ws.Read()
		if err != nil || p == "41" {
			return
		}
		if answer := heard(p); answer == stop {
			return
		} else if answer != "" {
			_ = ws.Write(answer)
		}
	}
}

func visitByPolling(ctx context.Context, c *rawclient.Session, heard func(packet string) (answer string)) {
	for {
		r, err := c.Get(ctx)
		if err != nil || r.Status != http.StatusOK {
			return
		}
		for _, p := range r.Packets {
			if p == "41" || p == "1" {
				_, _ = c.Post(ctx, "1")
				return
			}
			if answer := heard(p); answer == stop {
				_, _ = c.Post(ctx, "1")
				return
			} else if answer != "" {
				_, _ = c.Post(ctx, answer)
			}
		}
	}
}

// TestFaultsE1OneAttemptInAWhile: a client that connects again as soon as it is
// disconnected makes at most one attempt in RefusalDelay, whatever ended it, and
// hears why once in each.
func TestFaultsE1OneAttemptInAWhile(t *testing.T) {
	const delay, times = 100 * time.Millisecond, 10
	for name, test := range map[string]struct {
		options []socketio.Option
		token   string // in the handshake
		told    string
		delay   time.Duration
	}{
		"a refused handshake":       {[]socketio.Option{socketio.ByHandshake()}, "bad", "44{", delay},
		"a retryable refusal":       {[]socketio.Option{socketio.ByHandshake()}, "busy", "44{", delay},
		"refused by event":          {nil, "", `["unauthorized"`, delay},
		"refused by event, at once": {[]socketio.Option{socketio.DisconnectNow()}, "", `["unauthorized"`, delay},
		"a session that is ended": {[]socketio.Option{socketio.ByHandshake(), socketio.OnSuccess(func(s *socketio.Session) {
			s.End(&verifier.UnauthorizedError{Code: verifier.CodeInvalidToken, Message: "jwt expired", Reason: verifier.ErrTokenExpired})
		})}, "good.x", `["unauthorized"`, delay},
	} {
		for _, transport := range []string{"polling", "websocket"} {
			t.Run(name+", "+transport, func(t *testing.T) {
				t.Parallel()
				s := serve(t, &googollee.Options{RefusalDelay: delay}, func(s *server) {
					s.OnAuthenticated(func(*googollee.Conn, *socketio.Session) error { return nil })
					s.OnDisconnect(func(*googollee.Conn, string) {})
				}, test.options...)
				ctx, cancel := context.WithTimeout(t.Context(), times*delay)
				defer cancel()
				visits, told := 0, 0
				for ctx.Err() == nil {
					visits++
					c := s.client()
					if test.token != "" {
						c.Query = url.Values{"token": {test.token}}
					}
					visit(ctx, c, transport, func(p string) string {
						switch {
						case strings.Contains(p, test.told), strings.HasPrefix(p, "44{"): // a session may end before it is answered
							told++
							if head, _, _ := strings.Cut(p, "["); test.options == nil {
								return "43" + head[2:] + "[]"
							}
						case p == "40" && test.token == "":
							return `42["authenticate",{"token":"bad"}]`
						}
						return ""
					})
				}
				if visits > times+1 || visits < 2 || told > visits || told < visits-2 { // the last may be cut short
					t.Errorf("%d attempts in %v, and told %d times why", visits, times*delay, told)
				}
			})
		}
	}
}

// TestFaultsE1LongSessions: a session that has lasted is not held at its end.
func TestFaultsE1LongSessions(t *testing.T) {
	const delay = 300 * time.Millisecond
	registry := socketio.NewRegistry(nil)
	s := serve(t, &googollee.Options{RefusalDelay: delay}, nil, socketio.WithRegistry(registry))
	ws := s.join("alice")
	time.Sleep(delay + 10*time.Millisecond)
	start := time.Now()
	for session := range registry.Sessions(socketio.Filter{}) {
		session.End(nil)
	}
	if got := strings.Join(ws.rest(), " "); !strings.HasPrefix(got, `421073741824["unauthorized"`) || !strings.HasSuffix(got, " 41") {
		t.Errorf("got %s", got)
	}
	if d := time.Since(start); d > delay {
		t.Errorf("it was held for %v", d)
	}
	s.want("left alice: rejected")
}

// TestFaultsE3TokenTooLong: a client whose token does not fit into its message is
// told so, by event and in CONNECT, over both transports, and the application
// hears of it.
func TestFaultsE3TokenTooLong(t *testing.T) {
	issuer := verifiertest.NewIssuer("https://issuer.example/")
	v, err := verifier.New(issuer)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{17 << 10, 19 << 10, 100 << 10, 900 << 10} {
		for _, transport := range []string{"polling", "websocket"} {
			bothProtocols(t, func(t *testing.T, eio string) {
				address, failures := serveFailures(t, v)
				token := strings.Repeat("x", size)
				packet, told := `42["authenticate",{"token":"`+token+`"}]`, `["unauthorized",`
				for range 2 {
					c := &rawclient.Session{URL: address, EIO: eio}
					said := ""
					sent := false
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					visit(ctx, c, transport, func(p string) string {
						switch {
						case strings.HasPrefix(p, "0") && eio == "4":
							return "40"
						case strings.HasPrefix(p, "40") && !sent:
							sent = true
							return packet
						case strings.Contains(p, told):
							said = p
							return stop
						}
						return ""
					})
					cancel()
					if !strings.Contains(said, `"reason":"token_too_long"`) {
						t.Fatalf("%d bytes: the client was told %q", size, said)
					}
					if got := <-failures; got == nil || !strings.Contains(said, "token_too_long") {
						t.Errorf("OnFailure was called with %v", got)
					}
					if eio == "3" {
						return // its CONNECT has no payload
					}
					packet, told = `40/admin,{"token":"`+token+`"}`, "44/admin,"
				}
			})
		}
	}
}

// serveFailures serves two namespaces, by event and by handshake, and returns the errors
// that OnFailure is called with.
func serveFailures(t *testing.T, v *verifier.Verifier) (address string, failures <-chan error) {
	t.Helper()
	all := make(chan error, 2)
	s, err := googollee.NewServer(&googollee.Options{RefusalDelay: 10 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	failed := socketio.OnFailure(func(_ *verifier.Handshake, err *verifier.UnauthorizedError) { all <- err })
	if _, err := s.Authorize("/", v, failed); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authorize("/admin", v, failed, socketio.ByHandshake()); err != nil {
		t.Fatal(err)
	}
	return serveHTTP(t, s), all
}

// TestFaultsE3Constructor: limits that belong together check each other.
func TestFaultsE3Constructor(t *testing.T) {
	issuer := verifiertest.NewIssuer("https://issuer.example/")
	long, err := verifier.New(issuer, verifier.MaxTokenLength(64<<10))
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, nil, nil)
	if _, err := s.Authorize("/long", long); err == nil || !strings.Contains(err.Error(), "MaxUnauthenticatedMessage is 20480: expected at least 67584") {
		t.Errorf("got %v", err)
	}
	if _, err := googollee.NewServer(&googollee.Options{MaxUnauthenticatedMessage: 2 << 20}); err == nil || !strings.Contains(err.Error(), "expected at most MaxMessage") {
		t.Errorf("got %v", err)
	}
	larger := serve(t, &googollee.Options{MaxUnauthenticatedMessage: 70 << 10}, nil)
	if _, err := larger.Authorize("/long", long); err != nil {
		t.Errorf("got %v", err)
	}
}
