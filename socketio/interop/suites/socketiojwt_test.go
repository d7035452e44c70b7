package suites

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/npm"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
	"github.com/zishang520/socket.io/servers/socket/v3"
)

// The tests of socketio-jwt 4.6.2.
var socketioJWT = source{
	repository: "auth0-community/socketio-jwt",
	commit:     "d82bb155b41f62ebbd853a48280639e89638be2d", // the tag v4.6.2
	folder:     "test",
	digest:     "d68fceea2e3761e27d2059ce032f8bff",
	variable:   "SOCKETIO_JWT_SOURCE",
}

var (
	//go:embed socketiojwt/package.json
	jwtPackage []byte
	//go:embed socketiojwt/package-lock.json
	jwtLock []byte
	//go:embed socketiojwt/fixture.js
	fixtureScript []byte
)

// jwtCases is how many cases the suite has.
const jwtCases = 21

// TestSocketIOJWTSuite runs the suite of socketio-jwt with its client 1.7.4: the
// fixtures, which start servers of socketio-jwt, start a server of this module with the
// same options.
func TestSocketIOJWTSuite(t *testing.T) {
	if testing.Short() {
		t.Skip("the suite of socketio-jwt takes half a minute")
	}
	files := socketioJWT.files(t)
	dir, err := npm.Install("suite-socketio-jwt", jwtPackage, jwtLock)
	npm.Check(t, err)
	for name, serve := range map[string]func(*testing.T, fixture) stoppable{"package googollee": googolleeFixture, "package zishang": zishangFixture} {
		t.Run(name, func(t *testing.T) {
			f := &fixtures{
				start: func(options *json.Decoder) (stoppable, error) {
					var one fixture
					if err := options.Decode(&one); err != nil {
						return nil, err
					}
					return serve(t, one), nil
				},
				profiles: map[string]verifiertest.Claims{
					"/login": {"first_name": "John", "last_name": "Doe", "email": "john@doe.com", "id": 123},
				},
			}
			t.Cleanup(f.stop)
			address := listen(t, f)
			suite := runFolder(t, dir)
			for name, content := range files {
				if fixture, ok := strings.CutPrefix(name, "fixture/"); ok {
					content = bytes.ReplaceAll(fixtureScript, []byte("NAME"), []byte(`"`+strings.TrimSuffix(fixture, path.Ext(fixture))+`"`))
				}
				write(t, suite, "test/"+name, bytes.ReplaceAll(content, []byte("localhost:9000"), []byte(address)))
			}
			all := 0
			for name := range files {
				if !strings.HasSuffix(name, ".test.js") {
					continue
				}
				// In a separate process: the suite leaves clients connected, which would connect to
				// the next file's server.
				failures, ran := mocha(t, dir, suite, nil, "--timeout", "15000", "--require", "should", "test/"+name)
				all += ran
				for name, why := range failures {
					t.Errorf("%s: %s", name, why)
				}
			}
			if all != jwtCases {
				t.Errorf("the suite ran %d cases: expected %d", all, jwtCases)
			}
		})
	}
}

// fixture is what one of the suite's fixtures is started with.
type fixture struct {
	Fixture    string // "index", "namespace" or "secret_function"
	Handshake  bool
	AuthHeader bool `json:"auth_header_required"`
}

// options are those of a fixture: of the verifier, and of the namespace.
func (f fixture) options(t *testing.T) (*verifier.Verifier, []socketio.Option) {
	options := []verifier.Option{verifier.Issuer("https://suite.example")}
	if f.AuthHeader {
		options = append(options, verifier.WithExtractor(verifier.RequireBearerHeader()))
	}
	v, err := verifier.New(suiteIssuer, options...)
	if err != nil {
		t.Error(err)
	}
	if f.Handshake {
		return v, []socketio.Option{socketio.ByHandshake()}
	}
	return v, []socketio.Option{socketio.ByEvent(), socketio.Timeout(time.Second)}
}

func googolleeFixture(t *testing.T, f fixture) stoppable {
	s, err := googollee.NewServer(nil)
	if err != nil {
		t.Error(err)
	}
	authorize := func(name string, f fixture) *googollee.Namespace {
		v, options := f.options(t)
		n, err := s.Authorize(name, v, options...)
		if err != nil {
			t.Error(err)
		}
		return n
	}
	if f.Fixture != "namespace" {
		n := authorize("/", f)
		n.OnEvent("echo", func(c *googollee.Conn) { c.Emit("echo-response") })
		return s
	}
	root, err := s.Public("/")
	if err != nil {
		t.Error(err)
	}
	root.OnConnect(func(c *googollee.Conn) error { c.Emit("hi"); return nil })
	for name, handshake := range map[string]bool{"/admin": false, "/admin_hs": true} {
		authorize(name, fixture{Handshake: handshake}).OnAuthenticated(func(c *googollee.Conn, _ *socketio.Session) error {
			c.Emit("hi admin")
			return nil
		})
	}
	return s
}

func zishangFixture(t *testing.T, f fixture) stoppable {
	options := socket.DefaultServerOptions()
	options.SetAllowEIO3(true)
	s := zishang.NewServer(options)
	authorize := func(name string, f fixture) socket.Namespace {
		v, options := f.options(t)
		n, err := s.Authorize(name, v, options...)
		if err != nil {
			t.Error(err)
		}
		return n
	}
	if f.Fixture != "namespace" {
		n := authorize("/", f)
		zishang.OnAuthenticated(n, func(s *socket.Socket, _ *socketio.Session) error {
			return s.On("echo", func(...any) { _ = s.Emit("echo-response") })
		})
		return s
	}
	root, err := s.Public("/")
	if err != nil {
		t.Error(err)
	}
	_ = root.On("connection", func(args ...any) { _ = args[0].(*socket.Socket).Emit("hi") })
	for name, handshake := range map[string]bool{"/admin": false, "/admin_hs": true} {
		zishang.OnAuthenticated(authorize(name, fixture{Handshake: handshake}), func(s *socket.Socket, _ *socketio.Session) error {
			return s.Emit("hi admin")
		})
	}
	return s
}
