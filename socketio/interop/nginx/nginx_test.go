package nginx_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/nginx"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

func TestMain(m *testing.M) { os.Exit(jsclient.Main(m)) }

var secret = []byte("a secret of the tests behind nginx, HS256")

func token() string {
	part := func(v any) string {
		b, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := part(map[string]any{"alg": "HS256"}) + "." + part(map[string]any{"sub": "ada", "exp": time.Now().Add(time.Hour).Unix()})
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// node is a guarded server that notes how many sockets have come, and from where.
type node struct {
	address  string
	sockets  atomic.Int64
	failures chan string // addresses that MaxFailures counts by
	web      *httptest.Server
	registry *socketio.Registry
}

func startNode(t *testing.T) *node {
	t.Helper()
	key, err := keys.Secret(secret)
	if err != nil {
		t.Fatal(err)
	}
	v, err := verifier.New(key)
	if err != nil {
		t.Fatal(err)
	}
	server, err := googollee.NewServer(nil)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{failures: make(chan string, 100), registry: socketio.NewRegistry(nil)}
	chat, err := server.Authorize("/", v, socketio.ByHandshake(), socketio.WithRegistry(n.registry),
		socketio.ClientAddress(func(h *verifier.Handshake) string {
			n.failures <- h.Header.Get("X-Forwarded-For")
			return h.Header.Get("X-Forwarded-For")
		}))
	if err != nil {
		t.Fatal(err)
	}
	chat.OnAuthenticated(func(c *googollee.Conn, _ *socketio.Session) error {
		n.sockets.Add(1)
		c.Emit("welcome")
		return nil
	})
	n.web = httptest.NewServer(server)
	n.address = strings.TrimPrefix(n.web.URL, "http://")
	t.Cleanup(func() {
		_ = server.Close()
		n.web.Close()
		_ = n.registry.Close()
	})
	return n
}

// configuration reads a configuration of docs/deployment.md.
func configuration(t *testing.T, name string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "deployment.md"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?ms)^```nginx " + regexp.QuoteMeta(name) + "\n(.*?)^```$").FindSubmatch(page)
	if m == nil {
		t.Fatalf("docs/deployment.md has no configuration %q", name)
	}
	return string(m[1])
}

// proxy is nginx with a configuration of the page, and two nodes behind it.
type proxy struct {
	*nginx.Server
	http, https string // addresses
	nodes       []*node
	roots       *x509.CertPool
}

// realIP has each client be at the address that it says: the tests have only one.
const realIP = "set_real_ip_from 127.0.0.1;\nreal_ip_header X-Test-Address;\n"

func start(t *testing.T, config string) *proxy {
	t.Helper()
	s, err := nginx.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	p := &proxy{Server: s, nodes: []*node{startNode(t), startNode(t)}, roots: certificate(t, s.Dir)}
	for _, a := range []*string{&p.http, &p.https} {
		if *a, err = nginx.FreeAddress(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "socketio.conf"), []byte(configuration(t, "socketio.conf")), 0o600); err != nil {
		t.Fatal(err)
	}
	addresses := []string{p.http}
	if strings.Contains(config, "listen 443") {
		addresses = append(addresses, p.https)
	}
	err = s.Start(realIP+p.local(config), addresses...)
	if errors.Is(err, nginx.ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// local replaces the addresses and files of the page with those of the test.
func (p *proxy) local(config string) string {
	return strings.NewReplacer(
		"10.0.0.1:3000", p.nodes[0].address, "10.0.0.2:3000", p.nodes[1].address,
		"listen 80;", "listen "+p.http+";", "listen 443 ssl;", "listen "+p.https+" ssl;",
		"/etc/nginx/", p.Dir+"/", "/var/log/nginx/", p.Dir+"/",
	).Replace(config)
}

var transports = map[string][]string{"polling": jsclient.Polling, "polling, then websocket": nil, "websocket": jsclient.Websocket}

var versions = []jsclient.Version{jsclient.V2, jsclient.V4}

// TestSticky: with the configurations of the page every client connects, whatever its
// transport, and both nodes have some.
func TestSticky(t *testing.T) {
	byAddress := configuration(t, "by-address")
	for name, config := range map[string]string{
		"hash $remote_addr consistent": byAddress,
		"ip_hash":                      strings.Replace(byAddress, "hash $remote_addr consistent;", "ip_hash;", 1),
		"cookie":                       configuration(t, "by-cookie"),
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, config)
			clients := 0
			for kind, with := range transports {
				for _, v := range versions {
					if name == "cookie" && v == jsclient.V2 && kind != "websocket" {
						continue // in Node.js it keeps no cookies: see TestCookie
					}
					clients += connectAll(t, p, v, with)
				}
			}
			one, two := p.nodes[0].sockets.Load(), p.nodes[1].sockets.Load()
			if one+two != int64(clients) || one == 0 || two == 0 {
				t.Errorf("of %d clients %d are at the one node and %d at the other", clients, one, two)
			}
		})
	}
}

// connectAll connects clients of different addresses and returns how many.
func connectAll(t *testing.T, p *proxy, v jsclient.Version, with []string) int {
	t.Helper()
	var clients []*jsclient.Client
	for i := range 12 {
		clients = append(clients, jsclient.Start(t).Connect(t, jsclient.Options{
			Version: v, URL: "http://" + p.http, Transports: with, Query: map[string]string{"token": token()},
			Header: map[string]string{"X-Test-Address": fmt.Sprintf("%d.%d.7.1", 20+i, 3*i)}, Auth: map[string]string{"token": token()},
			Extra: map[string]any{"withCredentials": true},
		}))
	}
	for _, c := range clients {
		c.Expect(t, "welcome")
		if with == nil {
			c.ExpectUpgrade(t)
		}
		c.Barrier(t)
		if c.Saw("disconnect") || c.Saw("reconnect_attempt") {
			t.Errorf("a client was disconnected meanwhile:\n%s", c.Log())
		}
	}
	return len(clients)
}

// poll opens a session by long-polling and polls it several times. It returns the
// statuses after the first.
func (p *proxy) poll(t *testing.T, client *http.Client, url, address string, cookie func(sid string) string) (statuses []int, header http.Header) {
	t.Helper()
	get := func(query, cookie string) (int, string, http.Header) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/socket.io/?EIO=3&transport=polling&token="+token()+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Method = http.MethodGet; strings.Contains(query, "post") {
			r.Method, r.Body = http.MethodPost, io.NopCloser(strings.NewReader("1:2"))
			r.ContentLength = 3
		}
		r.Header.Set("X-Test-Address", address)
		if cookie != "" {
			r.Header.Set("Cookie", cookie)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body), response.Header
	}
	status, body, header := get("", "")
	m := regexp.MustCompile(`"sid":"([^"]+)"`).FindStringSubmatch(body)
	if status != http.StatusOK || m == nil {
		t.Fatalf("a handshake is answered %d %s", status, body)
	}
	own := ""
	if cookie != nil {
		own = cookie(m[1])
	}
	for range 3 { // a ping, and the poll with its pong
		status, _, _ := get("&post&sid="+m[1], own)
		statuses = append(statuses, status)
		if status == http.StatusOK {
			status, _, _ = get("&sid="+m[1], own)
			statuses = append(statuses, status)
		}
	}
	for _, n := range p.nodes { // CLOSE, past the proxy
		r, err := http.Post(n.web.URL+"/socket.io/?EIO=3&transport=polling&sid="+m[1], "text/plain", strings.NewReader("1:1"))
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Body.Close()
	}
	return statuses, header
}

func allOK(statuses []int) bool {
	for _, s := range statuses {
		if s != http.StatusOK {
			return false
		}
	}
	return true
}

// TestCookie: a client that keeps cookies stays at its node, a client with a fake value
// gets any node, and scripts cannot read the cookie.
func TestCookie(t *testing.T) {
	p := start(t, configuration(t, "by-cookie"))
	for range 4 {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		statuses, header := p.poll(t, &http.Client{Jar: jar}, "http://"+p.http, "20.0.0.1", nil)
		if !allOK(statuses) {
			t.Errorf("the requests of a client with a cookie are answered %v", statuses)
		}
		if c := header.Get("Set-Cookie"); !strings.HasPrefix(c, "node=one;") && !strings.HasPrefix(c, "node=two;") || !strings.Contains(c, "HttpOnly") {
			t.Errorf("the cookie is %q", c)
		}
	}
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a client chose the node") }))
	defer evil.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.http+"/socket.io/?EIO=3&transport=polling&token="+token(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Cookie", "node="+strings.TrimPrefix(evil.URL, "http://"))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("an unknown cookie is answered %d", response.StatusCode)
	}
}

// TestWhatDoesNotWork: the rows of the page that say "fails" do, so that the page stays
// true; websocket works with all of them.
func TestWhatDoesNotWork(t *testing.T) {
	byAddress := configuration(t, "by-address")
	for name, directive := range map[string]string{"round robin": "", "least_conn": "least_conn;", "random": "random;", "hash $cookie_io": "hash $cookie_io;"} {
		t.Run(name, func(t *testing.T) {
			p := start(t, strings.Replace(byAddress, "hash $remote_addr consistent;", directive, 1))
			bad := 0
			for range 12 {
				statuses, _ := p.poll(t, http.DefaultClient, "http://"+p.http, "20.0.0.1", func(sid string) string { return "io=" + sid })
				if !allOK(statuses) {
					bad++
				}
			}
			if bad == 0 {
				t.Error("all sessions by long-polling work")
			}
			for _, v := range versions {
				connectAll(t, p, v, jsclient.Websocket)
			}
		})
	}
}

// certificate writes one for 127.0.0.1, with its key, and returns who signed it.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"chat.crt": {Type: "CERTIFICATE", Bytes: der}, "chat.key": {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return pool
}
