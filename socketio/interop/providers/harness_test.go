package providers

import (
	"bufio"
	"bytes"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/outage"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

func TestMain(m *testing.M) {
	code := jsclient.Main(m)
	stopClient()
	if a, err := sharedAuthority(); err == nil {
		_ = os.RemoveAll(a.dir)
	}
	os.Exit(code)
}

var (
	quiet    = slog.New(slog.DiscardHandler)
	quietLog = log.New(io.Discard, "", 0)
)

// must returns v, and fails the test if there is an error.
func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// freePort returns a port that nobody listens at.
func freePort(t testing.TB) int {
	t.Helper()
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// patience is how long a process may take to start, and a client to get a token: both
// take a second on a machine that has nothing else to do.
const patience = 3 * jsclient.Deadline

// process is a provider's process, which can be stopped and started again.
type process struct {
	t    testing.TB
	name string
	args []string
	env  []string

	cmd     *exec.Cmd
	output  bytes.Buffer
	address string // what followed "ready"
	gone    chan struct{}
}

// start starts the process and waits until it says "ready", perhaps with its address.
func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.name, p.args...)
	p.cmd.Env = append(os.Environ(), p.env...)
	out := must2(p.cmd.StdoutPipe())
	p.cmd.Stderr = p.cmd.Stdout
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	ready := make(chan struct{})
	var once sync.Once
	p.gone = make(chan struct{})
	go func() {
		defer close(p.gone)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.output.WriteString(lines.Text() + "\n")
			if word, address, _ := strings.Cut(strings.TrimSpace(lines.Text()), " "); word == "ready" {
				once.Do(func() {
					p.address = address
					close(ready)
				})
			}
		}
		_ = p.cmd.Wait()
	}()
	p.t.Cleanup(func() {
		p.stop()
		if p.t.Failed() {
			p.t.Logf("%s wrote:\n%s", p.name, p.output.String())
		}
	})
	select {
	case <-ready:
	case <-p.gone:
		p.t.Fatalf("%s has ended:\n%s", p.name, p.output.String())
	case <-time.After(patience):
		p.stop()
		p.t.Fatalf("%s is not ready:\n%s", p.name, p.output.String())
	}
}

// pause stops the process without ending it, until resume: nothing answers meanwhile, and
// what it keeps in memory is there afterwards.
func (p *process) pause() { p.signal(outage.Pause) }

func (p *process) resume() { p.signal(outage.Resume) }

func (p *process) signal(send func(*os.Process) error) {
	p.t.Helper()
	if err := send(p.cmd.Process); err != nil {
		p.t.Fatal(err)
	}
}

// stop kills the process.
func (p *process) stop() {
	_ = p.cmd.Process.Kill()
	<-p.gone
}

func must2[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// unstarted is a Socket.IO server that accepts what v does.
func unstarted(t testing.TB, v socketio.Authenticator, options ...socketio.Option) *httptest.Server {
	t.Helper()
	s := zishang.NewServer(nil, zishang.WithLogger(quiet))
	root, err := s.Authorize("/", v, options...)
	if err != nil {
		t.Fatal(err)
	}
	_ = root.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		_ = s.Emit("hello", zishang.SessionOf(s).Token().Subject)
	})
	server := httptest.NewUnstartedServer(s)
	t.Cleanup(func() {
		_ = s.Close()
		server.Close()
	})
	return server
}

// serve is unstarted, started.
func serve(t testing.TB, v socketio.Authenticator, options ...socketio.Option) (url string) {
	t.Helper()
	s := unstarted(t, v, options...)
	s.Start()
	return s.URL
}

// connect connects a socket.io-client with the token.
func connect(t testing.TB, url, token string) *jsclient.Client {
	t.Helper()
	return connectWith(t, jsclient.Options{URL: url, Auth: map[string]string{"token": token}})
}

// connectWith connects a socket.io-client that does not come back by itself, unless o
// says otherwise.
func connectWith(t testing.TB, o jsclient.Options) *jsclient.Client {
	t.Helper()
	o.Version = jsclient.V4
	if o.Extra == nil {
		o.Extra = map[string]any{}
	}
	if _, ok := o.Extra["reconnection"]; !ok {
		o.Extra["reconnection"] = false
	}
	return jsclient.Start(t).Connect(t, o)
}

// accepted expects that a client with the token is accepted as the subject.
func accepted(t testing.TB, url, token, subject string) *jsclient.Client {
	t.Helper()
	c := connect(t, url, token)
	greeted(t, c, subject)
	return c
}

// greeted expects that the server greets the client as the subject.
func greeted(t testing.TB, c *jsclient.Client, subject string) {
	t.Helper()
	if got := c.Expect(t, "hello").JSON(); got != `["`+subject+`"]` {
		t.Errorf("the server greets %s, want %s", got, subject)
	}
}

// refused expects that a client with the token is sent away for one of the reasons.
func refused(t testing.TB, what, url, token string, reasons ...verifier.Reason) {
	t.Helper()
	rejected(t, what, connect(t, url, token), reasons...)
}

// refused expects that the client is sent away for one of the reasons. It returns what
// the client is told.
func rejected(t testing.TB, what string, c *jsclient.Client, reasons ...verifier.Reason) (told string) {
	t.Helper()
	defer c.Close(t)
	told = c.Expect(t, "connect_error").JSON()
	for _, reason := range reasons {
		if strings.Contains(told, `"reason":"`+string(reason)+`"`) {
			return told
		}
	}
	t.Errorf("%s: the client is told %s, want %s", what, told, reasons)
	return told
}
