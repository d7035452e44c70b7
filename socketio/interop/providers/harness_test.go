package providers

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/npm"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// What npm installs. To change a version, edit package.json and run
// "npm install --package-lock-only" here.
var (
	//go:embed package.json
	packageJSON []byte
	//go:embed package-lock.json
	packageLock []byte
	//go:embed provider.mjs
	providerScript []byte
	//go:embed client.mjs
	clientScript []byte
)

func TestMain(m *testing.M) { os.Exit(jsclient.Main(m)) }

var quiet = slog.New(slog.DiscardHandler)

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

// authority is a private certificate authority with one certificate, for localhost.
type authority struct {
	ca, cert, key string // PEM files
	tls           tls.Certificate
	client        *http.Client // that trusts it
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	caKey := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	ca := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, &caKey.PublicKey, caKey))
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	leaf := must[[]byte](t)(x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: template.NotBefore, NotAfter: template.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, template, &key.PublicKey, caKey))
	a := &authority{
		ca: write("ca.pem", "CERTIFICATE", ca), cert: write("cert.pem", "CERTIFICATE", leaf),
		key: write("key.pem", "PRIVATE KEY", must[[]byte](t)(x509.MarshalPKCS8PrivateKey(key))),
	}
	pool := x509.NewCertPool()
	pool.AddCert(must[*x509.Certificate](t)(x509.ParseCertificate(ca)))
	a.tls = must[tls.Certificate](t)(tls.LoadX509KeyPair(a.cert, a.key))
	a.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
	return a
}

// freePort returns a port that nobody listens at.
func freePort(t testing.TB) int {
	t.Helper()
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// scripts installs the packages and returns the paths of the scripts.
func scripts(t testing.TB) (provider, client string) {
	t.Helper()
	dir, err := npm.Install("providers", packageJSON, packageLock)
	npm.Check(t, err)
	return must[string](t)(npm.Script(dir, "provider.mjs", providerScript)), must[string](t)(npm.Script(dir, "client.mjs", clientScript))
}

// process is a provider's process, which can be stopped and started again.
type process struct {
	t    testing.TB
	name string
	args []string
	env  []string

	cmd    *exec.Cmd
	output bytes.Buffer
	gone   chan struct{}
}

// start starts the process and waits until it says "ready".
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
			if strings.TrimSpace(lines.Text()) == "ready" {
				once.Do(func() { close(ready) })
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
	case <-time.After(jsclient.Deadline):
		p.stop()
		p.t.Fatalf("%s is not ready:\n%s", p.name, p.output.String())
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

// tokens are what a client got from a provider.
type tokens struct {
	Access  string          `json:"access_token"`
	ID      string          `json:"id_token"`
	Refresh string          `json:"refresh_token"`
	Logout  json.RawMessage `json:"logout"`
}

// client runs the client's script, which trusts the authority.
func (a *authority) ask(t testing.TB, script string, request map[string]any) (got tokens) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), jsclient.Deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", script, string(must[[]byte](t)(json.Marshal(request))))
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+a.ca)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", request["grant"], err, stderr.String())
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %v", err, string(out))
	}
	return got
}

// serve starts a Socket.IO server that accepts what v does.
func serve(t testing.TB, v socketio.Authenticator, options ...socketio.Option) (url string) {
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
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		_ = s.Close()
		server.Close()
	})
	return server.URL
}

// connect connects a socket.io-client with the token.
func connect(t testing.TB, url, token string) *jsclient.Client {
	t.Helper()
	return jsclient.Start(t).Connect(t, jsclient.Options{
		Version: jsclient.V4, URL: url, Auth: map[string]string{"token": token}, Extra: map[string]any{"reconnection": false},
	})
}

// accepted expects that a client with the token is let in as the subject.
func accepted(t testing.TB, url, token, subject string) *jsclient.Client {
	t.Helper()
	c := connect(t, url, token)
	if got := c.Expect(t, "hello").JSON(); got != `["`+subject+`"]` {
		t.Errorf("the server greets %s, want %s", got, subject)
	}
	return c
}

// refused expects that a client with the token is sent away for one of the reasons.
func refused(t testing.TB, what, url, token string, reasons ...verifier.Reason) {
	t.Helper()
	c := connect(t, url, token)
	defer c.Close(t)
	told := c.Expect(t, "connect_error").JSON()
	for _, reason := range reasons {
		if strings.Contains(told, `"reason":"`+string(reason)+`"`) {
			return
		}
	}
	t.Errorf("%s: the client is told %s, want %s", what, told, reasons)
}
