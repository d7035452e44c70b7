package suites

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/npm"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// The tests of @thream/socketio-jwt 3.1.4, and the code that they call in the client.
var thream = source{
	repository: "Thream/socketio-jwt",
	commit:     "cfcb8a4be23db0f8dc31fa80cdc16bf3ae250339", // the tag v3.1.4
	folder:     "src",
	digest:     "ffefdfe1bc262ee029f0b4bada00c472",
	variable:   "THREAM_SOURCE",
}

var (
	//go:embed thream/package.json
	threamPackage []byte
	//go:embed thream/package-lock.json
	threamLock []byte
	//go:embed thream/fixture.ts
	threamFixture []byte
	//go:embed thream/waiting.ts
	waitingScript []byte
)

// threamCases is how many cases the suite has.
const threamCases = 14

// threamDiffers are the cases that fail, in each of the suite's three groups: the answer
// says what is wrong with the token, as jsonwebtoken does (docs/migration.md).
var threamDiffers = []string{"should emit error with bad token format", "should emit error with unauthorized handshake"}

// threamServe makes a server that passes on the user of each connected socket.
type threamServe func(v *verifier.Verifier, options []socketio.Option, users chan<- any) (stoppable, error)

// threamServers stand in for the fixture's.
var threamServers = map[string]threamServe{
	"package googollee": func(v *verifier.Verifier, options []socketio.Option, users chan<- any) (stoppable, error) {
		s, err := googollee.NewServer(nil)
		if err != nil {
			return nil, err
		}
		n, err := s.Authorize("/", v, options...)
		if err != nil {
			return nil, err
		}
		n.OnAuthenticated(func(_ *googollee.Conn, s *socketio.Session) error { users <- s.User(); return nil })
		return s, nil
	},
	"package zishang": func(v *verifier.Verifier, options []socketio.Option, users chan<- any) (stoppable, error) {
		s := zishang.NewServer(nil)
		n, err := s.Authorize("/", v, options...)
		if err != nil {
			return nil, err
		}
		zishang.OnAuthenticated(n, func(_ *socket.Socket, s *socketio.Session) error { users <- s.User(); return nil })
		return s, nil
	},
}

// TestThreamSuite runs the suite of @thream/socketio-jwt with its client 4.7.2. By itself
// the suite asserts nothing: each case returns before its client connects. Here a case
// waits until one of its listeners has run (thream/waiting.ts), and the fixture starts a
// server of this module.
func TestThreamSuite(t *testing.T) {
	if testing.Short() {
		t.Skip("the suite of @thream/socketio-jwt takes half a minute")
	}
	files := thream.files(t)
	dir, err := npm.Install("suite-thream", threamPackage, threamLock)
	npm.Check(t, err)
	for name, serve := range threamServers {
		t.Run(name, func(t *testing.T) {
			f := &fixtures{
				start: func(options *json.Decoder) (stoppable, error) {
					var o threamOptions
					if err := options.Decode(&o); err != nil {
						return nil, err
					}
					return o.serve(serve)
				},
				profiles: map[string]verifiertest.Claims{
					"/login":       {"email": "john@doe.com", "id": 123, "checkField": true},
					"/login-wrong": {"email": "john@doe.com", "id": 123, "checkField": false},
				},
			}
			t.Cleanup(f.stop)
			failures, ran := node(t, threamFolder(t, dir, files, listen(t, f)), "--import=tsx", "src/__test__/authorize.test.ts")
			if ran != threamCases {
				t.Errorf("the suite ran %d cases: expected %d", ran, threamCases)
			}
			for name, why := range failures {
				known := slices.ContainsFunc(threamDiffers, func(c string) bool { return strings.HasSuffix(name, c) })
				if !known || !strings.Contains(why, "'jwt malformed'") {
					t.Errorf("%s: %s", name, why)
				}
			}
			if want := 3 * len(threamDiffers); len(failures) != want {
				t.Errorf("%d cases differ: expected %d", len(failures), want)
			}
		})
	}
}

// threamFolder makes a folder with the suite, its fixture replaced.
func threamFolder(t *testing.T, installed string, files map[string][]byte, address string) string {
	t.Helper()
	dir := runFolder(t, installed)
	write(t, dir, "package.json", []byte(`{"type": "module"}`))
	write(t, dir, "src/__test__/waiting.ts", waitingScript)
	for name, content := range files {
		switch name {
		case "__test__/fixture/index.ts":
			content = bytes.ReplaceAll(threamFixture, []byte("localhost:9000"), []byte(address))
		case "__test__/authorize.test.ts":
			for _, from := range []string{`from "node:test"`, `{ io } from "socket.io-client"`} {
				if !bytes.Contains(content, []byte(from)) {
					t.Fatalf("%s does not import %s", name, from)
				}
			}
			content = bytes.ReplaceAll(content, []byte(`"node:test"`), []byte(`"./waiting.js"`))
			content = bytes.ReplaceAll(content, []byte(`{ io } from "socket.io-client"`), []byte(`{ io } from "./waiting.js"`))
		}
		write(t, dir, "src/"+name, content)
	}
	return dir
}

// threamOptions are those that the suite gives to its fixture. The functions among them
// are written in Go.
type threamOptions struct {
	Callback         bool // secret is a function
	OnAuthentication bool
}

func (o threamOptions) serve(serve threamServe) (stoppable, error) {
	var keys verifier.KeyProvider = suiteIssuer
	if o.Callback {
		keys = verifier.KeyProviderFunc(suiteIssuer.Keys)
	}
	v, err := verifier.New(keys, verifier.Issuer("https://suite.example"))
	if err != nil {
		return nil, err
	}
	options := []socketio.Option{socketio.ByHandshake()}
	if o.OnAuthentication {
		options = append(options, socketio.User(checkedUser))
	}
	users := make(chan any, threamCases)
	s, err := serve(v, options, users)
	return threamServer{s, users}, err
}

// threamServer also has "/connection", which answers with the user of a connected socket.
type threamServer struct {
	stoppable
	users chan any
}

func (s threamServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/connection" {
		s.stoppable.ServeHTTP(w, r)
		return
	}
	select {
	case user := <-s.users:
		_ = json.NewEncoder(w).Encode(user)
	case <-r.Context().Done():
	}
}

// checkedUser is the suite's onAuthentication.
func checkedUser(_ context.Context, t *verifier.Token, _ *verifier.Handshake) (any, error) {
	var claims struct {
		Email      string
		CheckField bool `json:"checkField"`
	}
	if err := t.Claims(&claims); err != nil {
		return nil, err
	}
	if !claims.CheckField {
		return nil, &verifier.UnauthorizedError{Message: "Check Field validation failed"}
	}
	return map[string]string{"email": claims.Email}, nil
}
