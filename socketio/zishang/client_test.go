package zishang

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// client is a client 4.x without manners: it polls, and sends whatever it is
// told to.
type client struct {
	t    testing.TB
	url  string
	http *http.Client
	seen []string // received and not yet looked at
}

// serve runs a server that the function sets up.
func serve(t testing.TB, options *socket.ServerOptions, setUp func(*Server)) *httptest.Server {
	t.Helper()
	return serveDelayed(t, options, time.Nanosecond, setUp)
}

// serveDelayed is serve with a delay of refusals.
func serveDelayed(t testing.TB, options *socket.ServerOptions, delay time.Duration, setUp func(*Server)) *httptest.Server {
	t.Helper()
	server := NewServer(options, func(c *engine.Config) { c.RefusalDelay, c.CloseTimeout = delay, 50*time.Millisecond })
	setUp(server)
	return serveServer(t, server)
}

// serveServer runs a server until the test ends.
func serveServer(t testing.TB, server *Server) *httptest.Server {
	t.Helper()
	web := httptest.NewServer(server)
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		web.Close()
	})
	return web
}

// guard declares a namespace that needs a token.
func guard(t testing.TB, s *Server, namespace any, auth socketio.Authenticator, options ...socketio.Option) socket.Namespace {
	t.Helper()
	n, err := s.Authorize(namespace, auth, options...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// public declares a namespace that needs none.
func public(t testing.TB, s *Server, namespace any) socket.Namespace {
	t.Helper()
	n, err := s.Public(namespace)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// dial opens a connection.
func dial(t testing.TB, web *httptest.Server) *client {
	t.Helper()
	c := &client{t: t, url: web.URL + "/socket.io/?EIO=4&transport=polling", http: web.Client()}
	open := c.next()
	var session struct{ Sid string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(open, "0")), &session); err != nil {
		t.Fatalf("open: %q: %v", open, err)
	}
	c.url += "&sid=" + session.Sid
	return c
}

var errClosedByServer = errors.New("the server closed the connection")

// poll returns the next packet of Socket.IO's, or an error if the connection is
// closed.
func (c *client) poll() (string, error) {
	for len(c.seen) == 0 {
		response, err := c.http.Get(c.url)
		if err != nil {
			return "", err
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			return "", err
		}
		if response.StatusCode != http.StatusOK {
			return "", errClosedByServer
		}
		for packet := range strings.SplitSeq(string(body), "\x1e") {
			switch {
			case packet == "1":
				return "", errClosedByServer
			case packet != "6":
				c.seen = append(c.seen, packet)
			}
		}
	}
	packet := c.seen[0]
	c.seen = c.seen[1:]
	return packet, nil
}

func (c *client) next() string {
	c.t.Helper()
	packet, err := c.poll()
	if err != nil {
		c.t.Fatal(err)
	}
	return packet
}

// expect compares the next packet.
func (c *client) expect(want string) {
	c.t.Helper()
	if got := c.next(); got != want {
		c.t.Fatalf("got %s\nwant %s", got, want)
	}
}

// send sends packets of Engine.IO's in one request.
func (c *client) send(packets ...string) {
	c.t.Helper()
	if err := c.post(packets...); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) post(packets ...string) error {
	response, err := c.http.Post(c.url, "text/plain;charset=UTF-8", strings.NewReader(strings.Join(packets, "\x1e")))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %s", errClosedByServer, response.Status)
	}
	return nil
}

// refusalPacket is the answer to a CONNECT that is refused.
func refusalPacket(namespace string, err *verifier.UnauthorizedError) string {
	data, _ := json.Marshal(err)
	if namespace == "/" {
		namespace = ""
	} else {
		namespace += ","
	}
	return fmt.Sprintf(`44%s{"message":%q,"data":%s}`, namespace, err.Message, data)
}

// byName verifies nothing: the token is the user's name, and must not be "bad".
func byName() socketio.Authenticator {
	find := verifier.DefaultExtractor()
	return socketio.AuthenticatorFunc(func(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error) {
		name, err := find.Extract(ctx, h)
		switch {
		case err != nil:
			return nil, err
		case name == "":
			return nil, errNoToken
		case name == "bad":
			return nil, errBadToken
		}
		return &verifier.Token{Issuer: "i", Subject: name}, nil
	})
}

var (
	errNoToken      = &verifier.UnauthorizedError{Code: verifier.CodeCredentialsRequired, Message: "no token provided", Reason: verifier.ErrTokenMissing}
	errBadToken     = &verifier.UnauthorizedError{Code: verifier.CodeInvalidToken, Message: "invalid signature", Reason: verifier.ErrSignatureInvalid}
	errTokenTooLong = &verifier.UnauthorizedError{Code: verifier.CodeInvalidToken, Message: "jwt malformed", Reason: verifier.ErrTokenTooLong}
	errDatatype     = &verifier.UnauthorizedError{Code: verifier.CodeInvalidToken, Message: "invalid token datatype", Reason: verifier.ErrTokenMalformed}
)

func nobody(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error) {
	if token, err := verifier.DefaultExtractor().Extract(ctx, h); err != nil || token == "" {
		return nil, err
	}
	return nil, errBadToken
}
