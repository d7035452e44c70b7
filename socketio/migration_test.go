package socketio_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// migrant is a server in one mode of socketio-jwt, by docs/migration.md.
type migrant struct {
	t         *testing.T
	handshake bool
	verify    []verifier.Option
	options   []socketio.Option
	err       error // of New
}

// present has a client present a token where it would in that mode: in the query or by
// event. where puts it elsewhere. It returns what the client saw.
func (m *migrant) present(raw string, where func(*verifier.Handshake)) (*socketio.Guard, *fakeSocket) {
	m.t.Helper()
	key := hmacKey(m.t, "a secret of more than thirty-two bytes")
	v, err := verifier.New(verifier.KeyProviderFunc(func(context.Context, *verifier.UnverifiedToken) ([]*verifier.Key, error) {
		return []*verifier.Key{key}, nil
	}), m.verify...)
	if err != nil {
		m.t.Fatal(err)
	}
	mode := socketio.ByEvent()
	if m.handshake {
		mode = socketio.ByHandshake()
	}
	a, err := socketio.New(v, append(m.options, quiet(), mode)...)
	if m.err = err; err != nil {
		return nil, nil
	}
	h := &verifier.Handshake{Namespace: "/", Header: http.Header{}, Query: url.Values{}}
	if where != nil {
		where(h)
	}
	if m.handshake && raw != "" {
		h.Query.Set("token", raw)
	}
	s := &fakeSocket{}
	p, err := a.Admit(m.t.Context(), h)
	if err != nil {
		s.cause = err
		return nil, s
	}
	g := a.Attach(s, h, p)
	if !m.handshake && raw != "" {
		g.Authenticate(token(raw))
	}
	synctest.Wait()
	return g, s
}

func live(g *socketio.Guard) bool { return g != nil && g.Session() != nil }

// TestFaultsF5Migration holds each row of the table in docs/migration.md to what it says
// of each mode.
func TestFaultsF5Migration(t *testing.T) {
	good := signed(`{"sub":"ada","role":"admin"}`)
	refuseGuests := errors.New("not an admin")
	header := func(h *verifier.Handshake) { h.Header.Set("Authorization", "Bearer "+good) }
	cookie := func(h *verifier.Handshake) { h.Header.Set("Cookie", "jwt="+good) }
	same := "" // a row of other packages, or one that says what an accessor is
	rows := map[string]func(t *testing.T, m *migrant){
		"secret: 'text'": nil, "secret: Buffer.from(s, 'base64')": nil, "secret: publicKeyPem": nil,
		"secret: function (request, header, payload, callback)": nil, "io.on('authenticated', f)": nil,
		"timeout: 15000": func(t *testing.T, m *migrant) {
			m.options = []socketio.Option{socketio.Timeout(15 * time.Second)}
			if m.handshake {
				m.options = append(m.options, socketio.User(func(ctx context.Context, _ *verifier.Token, _ *verifier.Handshake) (any, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				}))
				began := time.Now()
				if m.present(good, nil); time.Since(began) != 15*time.Second {
					t.Errorf("the verification took %v", time.Since(began))
				}
				return
			}
			_, s := m.present("", nil)
			time.Sleep(15*time.Second - 1)
			s.want(t)
			time.Sleep(time.Second)
			synctest.Wait()
			if s.closes() != 1 {
				t.Error("the socket is open")
			}
		},
		"required: false": func(t *testing.T, m *migrant) {
			if m.handshake { // left out: a token is required, as there
				if g, s := m.present("", nil); g != nil || !errors.Is(s.cause, verifier.ErrTokenMissing) {
					t.Errorf("without a token: %v", s.cause)
				}
			}
			m.options = []socketio.Option{socketio.Optional()}
			g, s := m.present("", nil)
			time.Sleep(time.Hour)
			if g == nil || s.closes() > 0 {
				t.Error("there are no guests")
			}
			if g, _ := m.present("bad", nil); live(g) {
				t.Error("a bad token is a session")
			}
		},
		"auth_header_required: true": func(t *testing.T, m *migrant) {
			m.verify = []verifier.Option{verifier.WithExtractor(verifier.RequireBearerHeader())}
			g, s := m.present("", header)
			if !m.handshake {
				if m.err == nil {
					t.Error("New accepts what can never work")
				}
				return
			}
			if !live(g) {
				t.Errorf("with a header: %v", s.cause)
			}
			if g, s := m.present(good, nil); g != nil || verifier.AsUnauthorized(s.cause).Code != verifier.CodeMissingHeader {
				t.Errorf("without a header: %v", s.cause)
			}
		},
		"cookie: 'name'": func(t *testing.T, m *migrant) {
			m.verify = []verifier.Option{verifier.WithExtractor(verifier.Cookie("jwt"))}
			if m.handshake { // only the cookie counts
				if g, _ := m.present(good, nil); live(g) {
					t.Error("the query counts")
				}
				return
			}
			if g, s := m.present("whatever", cookie); !live(g) {
				t.Errorf("with the cookie: %q", s.log)
			}
		},
		"callback: undefined": func(t *testing.T, m *migrant) {
			g, s := m.present(good+"x", nil)
			if m.handshake {
				if g != nil {
					t.Error("a refused client is connected")
				}
				return
			}
			if s.closes() > 0 {
				t.Error("closed before the acknowledgement")
			}
			if s.ack(); s.closes() != 1 {
				t.Error("open after it")
			}
			_, s = m.present(good+"x", nil)
			time.Sleep(5 * time.Second)
			if synctest.Wait(); s.closes() != 1 {
				t.Error("open after the deadline")
			}
		},
		"callback: false": func(t *testing.T, m *migrant) {
			m.options = []socketio.Option{socketio.DisconnectNow()}
			if g, s := m.present(good+"x", nil); !m.handshake && s.closes() != 1 || m.handshake && g != nil {
				t.Error("the socket is open")
			}
		},
		"callback: 2000": func(t *testing.T, m *migrant) {
			m.options = []socketio.Option{socketio.DisconnectAfter(2 * time.Second)}
			g, s := m.present(good+"x", nil)
			if m.handshake {
				if g != nil {
					t.Error("the socket is open")
				}
				return
			}
			time.Sleep(2*time.Second - 1)
			if s.closes() > 0 {
				t.Error("closed early")
			}
			time.Sleep(1 * time.Nanosecond)
			if synctest.Wait(); s.closes() != 1 {
				t.Error("open after 2 s")
			}
		},
		"additional_auth: (decoded, onSuccess, onError)": func(t *testing.T, m *migrant) {
			if m.handshake { // left out: it was ignored
				if g, _ := m.present(good, nil); !live(g) {
					t.Error("refused")
				}
			}
			m.options = []socketio.Option{socketio.User(func(context.Context, *verifier.Token, *verifier.Handshake) (any, error) { return nil, refuseGuests })}
			if g, _ := m.present(good, nil); live(g) {
				t.Error("User does not refuse")
			}
		},
		"customDecoded": func(t *testing.T, m *migrant) {
			m.options = []socketio.Option{socketio.User(func(_ context.Context, t *verifier.Token, _ *verifier.Handshake) (any, error) {
				return "user " + t.Subject, nil
			})}
			if g, _ := m.present(good, nil); !live(g) || g.Session().User() != "user ada" {
				t.Error("no user")
			}
		},
		"decodedPropertyName, encodedPropertyName": func(t *testing.T, m *migrant) {
			g, _ := m.present(good, nil)
			var claims struct{ Role string }
			if !live(g) || g.Session().Token().Claims(&claims) != nil || claims.Role != "admin" || g.Session().Token().Raw() != good {
				t.Errorf("claims %+v", claims)
			}
		},
		"success": func(t *testing.T, m *migrant) {
			called := 0
			m.options = []socketio.Option{socketio.OnSuccess(func(*socketio.Session) { called++ })}
			if g, _ := m.present(good, nil); !live(g) || called != 1 {
				t.Errorf("OnSuccess was called %d times", called)
			}
			if g, _ := m.present("bad", nil); live(g) || called != 1 {
				t.Errorf("OnSuccess was called %d times", called)
			}
		},
		"fail": func(t *testing.T, m *migrant) {
			called := 0
			m.options = []socketio.Option{socketio.OnFailure(func(*verifier.Handshake, *verifier.UnauthorizedError) { called++ })}
			if g, _ := m.present("bad", nil); live(g) || called != 1 {
				t.Errorf("OnFailure was called %d times", called)
			}
		},
	}
	text, err := os.ReadFile("../docs/migration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## Options of socketio-jwt\n")
	table, _, _ = strings.Cut(table, "\n## ")
	written := regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(table, -1)
	for _, row := range written {
		name := strings.ReplaceAll(row[1], "`", same)
		run, known := rows[name]
		delete(rows, name)
		if !known {
			t.Errorf("no test for the row %q", name)
		}
		if run == nil { // unknown, or tested by package keys and the bindings
			continue
		}
		for mode, handshake := range map[string]bool{"handshake: false": false, "handshake: true": true} {
			t.Run(name+", "+mode, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { run(t, &migrant{t: t, handshake: handshake}) })
			})
		}
	}
	if len(written) < 15 || len(rows) > 0 {
		t.Errorf("%d rows are written; not written are %v", len(written), len(rows))
	}
}

// closes returns how often the socket was closed.
func (s *fakeSocket) closes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}
