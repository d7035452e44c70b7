package zishang

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// TestFaultsA8: what FetchSockets publishes of a socket that has authenticated holds no
// token, wherever it came from.
func TestFaultsA8(t *testing.T) {
	const token = "ada.red.key.a-token-of-some-length"
	places := map[string]struct {
		query, auth string
		header      http.Header
		extractor   verifier.Extractor
	}{
		"auth payload": {"", `{"token":"` + token + `","nested":{"copy":["` + token + `"]},"color":"red"}`, nil, nil},
		"query":        {"&token=" + token + "&color=red", "", nil, nil},
		"header":       {"", `{"color":"red"}`, http.Header{"Authorization": {"Bearer " + token}}, nil},
		"cookie":       {"", `{"color":"red"}`, http.Header{"Cookie": {"a=b; jwt=" + token + "; color=red"}}, verifier.Cookie("jwt")},
		"own header":   {"", `{"color":"red"}`, http.Header{"X-Token": {token}, "Referer": {"https://e.test/?t=" + token}}, verifier.ExtractorFunc(func(_ context.Context, h *verifier.Handshake) (string, error) { return h.Header.Get("X-Token"), nil })},
	}
	for _, mode := range []string{"by handshake", "by event", "guest"} {
		for name, place := range places {
			t.Run(mode+"/"+name, func(t *testing.T) {
				var options []socketio.Option
				switch mode {
				case "by event":
					options = append(options, socketio.ByEvent())
				case "guest":
					if name == "cookie" || name == "own header" {
						t.Skip("nobody can tell which value of a guest's is a token")
					}
					options = append(options, socketio.ByEvent(), socketio.Optional())
				}
				var verify []verifier.Option
				if place.extractor != nil {
					verify = append(verify, verifier.WithExtractor(verifier.OneOf(place.extractor, verifier.DefaultExtractor())))
				}
				var server *socket.Server
				web := serve(t, nil, func(io *Server) {
					server = io.IO()
					OnAuthenticated(guard(t, io, "/", spelled(t, verify...), options...), func(s *socket.Socket, _ *socketio.Session) error {
						return s.Emit("welcome")
					})
				})
				conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(web.URL, "http")+"/socket.io/?EIO=4&transport=websocket"+place.query, place.header)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				f := &frames{t, conn}
				f.expect("0{")
				f.send("40" + place.auth)
				f.expect("40")
				if mode != "by handshake" {
					f.send(`42["authenticate",{"token":"` + token + `"}]`)
					f.expect(`42["authenticated"]`)
				}
				f.expect(`42["welcome"`)
				var published []byte
				server.FetchSockets()(func(all []*socket.RemoteSocket, err error) {
					if err != nil || len(all) != 1 {
						t.Fatal(len(all), err)
					}
					if published, err = json.Marshal(all[0].Handshake()); err != nil {
						t.Fatal(err)
					}
				})
				if strings.Contains(string(published), token) {
					t.Errorf("the token is published: %s", published)
				}
				if !strings.Contains(string(published), "red") {
					t.Errorf("more than the token is gone: %s", published)
				}
			})
		}
	}
}

// TestFaultsC3: once the clock says that a session is over, nothing of the application's
// hears the client: no handler, no listener of any event, no acknowledgement.
func TestFaultsC3(t *testing.T) {
	var step atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(step.Load())) }
	auth := socketio.AuthenticatorFunc(expiring(time.Now().Add(time.Hour)))
	for _, kind := range []string{`42["event"]`, `43%s[]`, `420["event"]`, `451-["event",{"_placeholder":true,"num":0}]`} {
		t.Run(kind, func(t *testing.T) {
			step.Store(0)
			var late atomic.Int32
			hear := func(...any) {
				if step.Load() > 0 {
					late.Add(1)
				}
			}
			web := serve(t, nil, func(io *Server) {
				OnAuthenticated(guard(t, io, "/", auth, socketio.WithClock(clock)), func(s *socket.Socket, _ *socketio.Session) error {
					s.OnAny(hear)
					s.PrependAny(hear)
					_ = s.On("event", hear)
					s.EmitWithAck("ask")(func([]any, error) { hear() })
					return nil
				})
			})
			f := upgrade(t, web)
			f.send(`40{"token":"ada"}`)
			f.expect("40")
			ask := f.next()
			if strings.Contains(kind, "%s") {
				kind = fmt.Sprintf(kind, ask[2:strings.Index(ask, "[")])
			}
			step.Store(int64(2 * time.Hour))
			f.send(kind)
			if strings.HasPrefix(kind, "45") {
				_ = f.conn.WriteMessage(websocket.BinaryMessage, []byte{1})
			}
			f.expect(`421073741824["unauthorized"`, "41")
			if n := late.Load(); n > 0 {
				t.Errorf("%d were heard after the end", n)
			}
		})
	}
}

// TestFaultsD1: a callback of the application's that waits does not keep the server from
// ending the client's other sessions.
func TestFaultsD1(t *testing.T) {
	blocked, goOn := make(chan struct{}), make(chan struct{})
	var sessions = make(chan *socketio.Session, 1)
	web := serve(t, nil, func(io *Server) {
		OnAuthenticated(guard(t, io, "/", spelled(t)), func(_ *socket.Socket, s *socketio.Session) error {
			sessions <- s
			return nil
		})
		guard(t, io, "/slow", spelled(t), socketio.Observe(socketio.Observer{Began: func(*verifier.Handshake, *verifier.Token) {
			close(blocked)
			<-goOn
		}}))
	})
	f := upgrade(t, web)
	f.send(`40{"token":"ada"}`)
	f.expect("40")
	f.send(`40/slow,{"token":"ada"}`)
	<-blocked
	var ended sync.WaitGroup
	ended.Go(func() { (<-sessions).End(errBadToken) })
	_ = f.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, got, err := f.conn.ReadMessage()
	close(goOn)
	if err != nil || !strings.HasPrefix(string(got), `421073741824["unauthorized"`) {
		t.Errorf("got %s, %v", got, err)
	}
	ended.Wait()
}

// fragile makes adapters that panic when a socket leaves.
type fragile struct{ socket.AdapterBuilder }

func (f *fragile) New(n socket.Namespace) socket.Adapter {
	return &fragileAdapter{f.AdapterBuilder.New(n)}
}

type fragileAdapter struct{ socket.Adapter }

func (*fragileAdapter) DelAll(socket.SocketId) { panic("boom") }

// TestPanicAtEnd: what panics while the server ends a session costs one client its
// connection, and not the process its life.
func TestPanicAtEnd(t *testing.T) {
	sessions := make(chan *socketio.Session, 1)
	options := socket.DefaultServerOptions()
	options.SetAdapter(&fragile{})
	server := NewServer(options, RefusalDelay(time.Nanosecond))
	OnAuthenticated(guard(t, server, "/", spelled(t)), func(_ *socket.Socket, s *socketio.Session) error {
		sessions <- s
		return nil
	})
	web := httptest.NewServer(server)
	defer web.Close()
	for range 2 {
		f := upgrade(t, web)
		f.send(`40{"token":"ada"}`)
		f.expect("40")
		(<-sessions).End(errBadToken)
		f.expect(`421073741824["unauthorized"`)
		_ = f.conn.Close()
	}
}

// TestFaultsE1: a refused client 2.x whose application calls connect() whenever it hears
// of a disconnect comes back at most once in a while, and hears its error once.
func TestFaultsE1(t *testing.T) {
	away := &verifier.UnauthorizedError{Code: "unknown", Message: "try again later", Reason: verifier.ErrKeysUnavailable, Retryable: true}
	for name, refusal := range map[string]*verifier.UnauthorizedError{"for good": errBadToken, "for now": away} {
		for _, transport := range []string{"websocket", "polling"} {
			t.Run(name+"/"+transport, func(t *testing.T) {
				t.Parallel()
				web := serveDelayed(t, withOld(), 2*time.Second, func(io *Server) {
					guard(t, io, "/", socketio.AuthenticatorFunc(func(context.Context, *verifier.Handshake) (*verifier.Token, error) {
						return nil, refusal
					}))
					guard(t, io, "/admin", socketio.AuthenticatorFunc(nobody))
				})
				began := time.Now()
				invited := make(chan error, 1) // when the client hears a disconnect of any kind
				var refusals atomic.Int32
				if transport == "websocket" {
					overWebsocket(t, web, &refusals, invited)
				} else {
					go overPolling(web, &refusals, invited)
				}
				select {
				case <-invited:
				case <-time.After(20 * time.Second):
					t.Error("the connection is never closed")
				}
				if waited := time.Since(began); waited < 900*time.Millisecond {
					t.Errorf("the client was invited back after %v", waited)
				}
				if n := refusals.Load(); n != 1 {
					t.Errorf("the client heard %d errors", n)
				}
			})
		}
	}
}

// overWebsocket is a refused client that counts errors until it hears a disconnect.
func overWebsocket(t *testing.T, web *httptest.Server, refusals *atomic.Int32, invited chan error) {
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(web.URL, "http")+"/socket.io/?EIO=3&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.WriteMessage(websocket.TextMessage, []byte("40/admin,"))
	go func() {
		for {
			_, text, err := conn.ReadMessage()
			if err != nil || strings.HasPrefix(string(text), "41") {
				invited <- err
				return
			}
			if strings.HasPrefix(string(text), "44{") {
				refusals.Add(1)
			}
		}
	}()
}

// overPolling is overWebsocket over polling.
func overPolling(web *httptest.Server, refusals *atomic.Int32, invited chan error) {
	url := web.URL + "/socket.io/?EIO=3&transport=polling"
	for {
		text, err := get(web, url)
		if err != nil || strings.Contains(text, ":41") || text == "1:1" {
			invited <- err
			return
		}
		if strings.Contains(text, "44{") {
			refusals.Add(1)
		}
		if _, sid, ok := strings.Cut(text, `"sid":"`); ok {
			sid, _, _ = strings.Cut(sid, `"`)
			url += "&sid=" + sid
		}
	}
}
