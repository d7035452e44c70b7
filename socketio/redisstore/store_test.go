package redisstore_test

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/outage"
	"github.com/seed15b1dee8/socketio-jwt/socketio/redisstore"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

const (
	secret = "a secret of the tests of redisstore, for HS256"
	key    = "test:revocations"

	// patience is how long anything here may take on a busy machine. What it
	// takes is BenchmarkRevokeAcrossProcesses.
	patience = 40 * time.Second
)

// node is a Socket.IO server that revokes the users it is told to, and tells whether
// it follows the store. It ends with its standard input.
func node(address string) error {
	client := redis.NewClient(&redis.Options{Addr: address, MaxRetries: -1, DialTimeout: time.Second})
	store, err := redisstore.New(client, key)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	registry := socketio.NewRegistry(&socketio.RegistryOptions{Store: store, FailOpen: true, Logger: logger})
	k, err := verifier.NewKey([]byte(secret), verifier.KeyOptions{})
	if err != nil {
		return err
	}
	v, err := verifier.New(verifier.KeyProviderFunc(func(context.Context, *verifier.UnverifiedToken) ([]*verifier.Key, error) {
		return []*verifier.Key{k}, nil
	}))
	if err != nil {
		return err
	}
	server, err := googollee.NewServer(&googollee.Options{Logger: logger})
	if err != nil {
		return err
	}
	if _, err := server.Authorize("/", v, socketio.ByHandshake(), socketio.WithRegistry(registry)); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", server)
	mux.HandleFunc("/revoke", func(w http.ResponseWriter, r *http.Request) {
		if err := registry.Revoke(r.Context(), socketio.Revocation{Subject: r.FormValue("sub")}); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/following", func(w http.ResponseWriter, r *http.Request) {
		if err := registry.Err(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	go func() { _ = http.Serve(l, mux) }()
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}

// startNode runs a server process.
func startNode(t testing.TB, redisAddress string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "REDISSTORE_NODE="+redisAddress)
	cmd.Stderr = os.Stderr
	if !testing.Verbose() {
		cmd.Stderr = nil
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimSpace(line)
	eventually(t, func() error { return get("http://" + address + "/following") })
	return address
}

func get(url string) error {
	r, err := http.Get(url)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", r.Status, b)
	}
	return nil
}

// eventually waits until f succeeds.
func eventually(t testing.TB, f func() error) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal(err)
		}
	}
}

func startRedis(t testing.TB) *outage.Redis {
	t.Helper()
	r, err := outage.NewRedis()
	if errors.Is(err, outage.ErrNoRedis) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// socket is a client's connection, over websocket.
type socket struct {
	conn   *websocket.Conn
	frames chan string // closed when the connection is
}

func dial(t testing.TB, address, subject string) *socket {
	t.Helper()
	c, _, err := websocket.DefaultDialer.Dial("ws://"+address+"/socket.io/?EIO=3&transport=websocket&token="+mint(subject), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &socket{conn: c, frames: make(chan string, 100)}
	go func() {
		defer close(s.frames)
		for {
			_, b, err := c.ReadMessage()
			if err != nil {
				return
			}
			s.frames <- string(b)
		}
	}()
	t.Cleanup(func() {
		_ = c.Close()
		for range s.frames {
		}
	})
	s.expect(t, "0{")
	s.expect(t, "40")
	return s
}

func (s *socket) expect(t testing.TB, prefix string) {
	t.Helper()
	select {
	case frame, ok := <-s.frames:
		if !ok || !strings.HasPrefix(frame, prefix) {
			t.Fatalf("the client got %q, want %q", frame, prefix)
		}
	case <-time.After(patience):
		t.Fatalf("the client got nothing, want %q", prefix)
	}
}

// expectRevoked waits for the socket to be told, and disconnected.
func (s *socket) expectRevoked(t testing.TB) {
	t.Helper()
	s.expect(t, `421073741824["unauthorized",{"message":"jwt revoked"`)
	s.expect(t, "41")
}

// alive fails if the socket has ended. It asks the server for a sign of life.
func (s *socket) alive(t testing.TB) {
	t.Helper()
	if err := s.conn.WriteMessage(websocket.TextMessage, []byte("2")); err != nil {
		t.Fatal(err)
	}
	s.expect(t, "3")
}

func mint(subject string) string {
	e := base64.RawURLEncoding
	input := e.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + e.EncodeToString([]byte(fmt.Sprintf(`{"sub":%q}`, subject)))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(input))
	return input + "." + e.EncodeToString(mac.Sum(nil))
}

// TestAcrossProcesses: what is revoked on one ends on the other; also when Redis
// was away meanwhile, and came back without its memory.
func TestAcrossProcesses(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	a, b := startNode(t, r.Address()), startNode(t, r.Address())
	alice, bob := dial(t, b, "alice"), dial(t, b, "bob")
	if err := get("http://" + a + "/revoke?sub=alice"); err != nil {
		t.Fatal(err)
	}
	alice.expectRevoked(t)
	bob.alive(t)

	r.Stop()
	for _, node := range []string{a, b} {
		eventually(t, func() error {
			if get("http://"+node+"/following") == nil {
				return errors.New("the node does not notice that Redis is away")
			}
			return nil
		})
	}
	if err := get("http://" + a + "/revoke?sub=bob"); err == nil || !strings.Contains(err.Error(), "until the store is back") {
		t.Errorf("Revoke without Redis: %v", err)
	}
	bob.alive(t)
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	bob.expectRevoked(t)

	// A node that starts later knows both.
	c := startNode(t, r.Address())
	for _, subject := range []string{"alice", "bob"} {
		conn, _, err := websocket.DefaultDialer.Dial("ws://"+c+"/socket.io/?EIO=3&transport=websocket&token="+mint(subject), nil)
		if err != nil {
			t.Fatal(err)
		}
		frames := ""
		for {
			_, b, err := conn.ReadMessage()
			if err != nil {
				break
			}
			frames += string(b)
		}
		_ = conn.Close()
		if !strings.Contains(frames, `"reason":"token_revoked"`) {
			t.Errorf("%s is told %s", subject, frames)
		}
	}
}

// TestLinkCut: a process whose link is down misses nothing that others revoke
// meanwhile in a Redis that works.
func TestLinkCut(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	link, err := outage.NewLink(r.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(link.Close)
	a, b := startNode(t, r.Address()), startNode(t, link.Address())
	bob := dial(t, b, "bob")
	link.Cut()
	eventually(t, func() error {
		if get("http://"+b+"/following") == nil {
			return errors.New("the node does not notice that its link is cut")
		}
		return nil
	})
	if err := get("http://" + a + "/revoke?sub=bob"); err != nil {
		t.Fatal(err)
	}
	bob.alive(t)
	link.Mend()
	bob.expectRevoked(t)
}

// BenchmarkRevokeAcrossProcesses is the time from the request to revoke, to one
// process, until the client of another has been told and disconnected.
func BenchmarkRevokeAcrossProcesses(b *testing.B) {
	r := startRedis(b)
	first, second := startNode(b, r.Address()), startNode(b, r.Address())
	i := 0
	for b.Loop() {
		b.StopTimer()
		i++
		name := fmt.Sprintf("user-%d", i)
		s := dial(b, second, name)
		b.StartTimer()
		if err := get("http://" + first + "/revoke?sub=" + name); err != nil {
			b.Fatal(err)
		}
		s.expectRevoked(b)
	}
}

func TestNewRefusesNonsense(t *testing.T) {
	if _, err := redisstore.New(nil, key); err == nil || err.Error() != "redisstore: New: the client is nil" {
		t.Error(err)
	}
	c := redis.NewClient(&redis.Options{})
	defer c.Close()
	if _, err := redisstore.New(c, ""); err == nil || err.Error() != "redisstore: New: the key is empty" {
		t.Error(err)
	}
}

// TestStore looks at what is in Redis.
func TestStore(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	c := redis.NewClient(&redis.Options{Addr: r.Address()})
	defer c.Close()
	s, err := redisstore.New(c, key)
	if err != nil {
		t.Fatal(err)
	}
	c.ZAdd(t.Context(), key, redis.Z{Score: 1, Member: `{"sub":"long ago","exp":"1970-01-01T00:00:01Z"}`})
	v := socketio.Revocation{Subject: "alice", IssuedBefore: time.Now().UTC().Round(0), Expires: time.Now().Add(time.Hour).UTC().Round(0)}
	for range 2 {
		if err := s.Put(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.ZCard(t.Context(), key).Val(); n != 1 {
		t.Errorf("the set has %d members, want the one that has not expired", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var got []socketio.Revocation
	err = s.Follow(ctx, func(v socketio.Revocation) { got = append(got, v) }, func() { cancel() })
	if len(got) != 1 || got[0] != v || ctx.Err() == nil || err == nil {
		t.Errorf("Follow: %v, %v; want %v", got, err, v)
	}
	// What nobody here has written is not passed over in silence.
	c.ZAdd(t.Context(), key, redis.Z{Score: 9e9, Member: "nonsense"})
	if err := s.Follow(t.Context(), func(socketio.Revocation) {}, func() {}); err == nil || !strings.Contains(err.Error(), "not a revocation") {
		t.Errorf("Follow: %v", err)
	}
}
