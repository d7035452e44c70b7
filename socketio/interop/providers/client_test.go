package providers

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/npm"
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

// script installs the packages and returns the path of a script that uses them.
func script(name string, content []byte) (string, error) {
	dir, err := npm.Install("providers", packageJSON, packageLock)
	if err != nil {
		return "", err
	}
	return npm.Script(dir, name, content)
}

// tokens are what a client got from a provider.
type tokens struct {
	Access  string          `json:"access_token"`
	ID      string          `json:"id_token"`
	Refresh string          `json:"refresh_token"`
	Type    string          `json:"token_type"`
	Proof   string          `json:"proof"`
	Logout  json.RawMessage `json:"logout"`
}

// asking is what an OAuth client does, for client.mjs.
type asking struct {
	Grant    string          `json:"grant"` // code, client_credentials, refresh, revoke, logout, proof
	Issuer   string          `json:"issuer,omitempty"`
	ID       string          `json:"id,omitempty"` // the client's
	Secret   string          `json:"secret,omitempty"`
	Scope    string          `json:"scope,omitempty"`
	Resource string          `json:"resource,omitempty"`
	Extra    any             `json:"extra,omitempty"` // further parameters of the authorization or token request
	Token    string          `json:"token,omitempty"`
	Logout   json.RawMessage `json:"logout,omitempty"`
	KeyPair  string          `json:"keyPair,omitempty"` // the name of a DPoP key
	KeyAlg   string          `json:"keyAlg,omitempty"`
	URL      string          `json:"url,omitempty"`   // of a proof
	Nonce    string          `json:"nonce,omitempty"` // of a proof
	Cert     string          `json:"cert,omitempty"`  // a client certificate
	Key      string          `json:"key,omitempty"`
}

// oauthClient is the process of client.mjs, which serves all tests.
type oauthClient struct {
	in  io.WriteCloser
	cmd *exec.Cmd

	mu      sync.Mutex // guards what follows
	seq     int
	waiting map[int]chan answer
}

type answer struct {
	Seq     int             `json:"seq"`
	Result  json.RawMessage `json:"result"`
	Failure string          `json:"failure"`
}

var sharedClient = sync.OnceValues(startClient)

func startClient() (*oauthClient, error) {
	a, err := sharedAuthority()
	if err != nil {
		return nil, err
	}
	path, err := script("client.mjs", clientScript)
	if err != nil {
		return nil, err
	}
	c := &oauthClient{cmd: exec.Command("node", path, a.ca), waiting: map[int]chan answer{}}
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go c.read(out)
	return c, nil
}

func (c *oauthClient) read(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var a answer
		if json.Unmarshal(lines.Bytes(), &a) != nil {
			continue
		}
		c.mu.Lock()
		if w := c.waiting[a.Seq]; w != nil {
			delete(c.waiting, a.Seq)
			w <- a
		}
		c.mu.Unlock()
	}
}

// stopClient ends the process if it was started: it ends with its input.
func stopClient() {
	if c, err := sharedClient(); err == nil {
		_ = c.in.Close()
		_ = c.cmd.Wait()
	}
}

// ask has the client do what a says, and fails the test if it cannot.
func ask(t testing.TB, a asking) (got tokens) {
	t.Helper()
	c, err := sharedClient()
	npm.Check(t, err)
	w := make(chan answer, 1)
	c.mu.Lock()
	c.seq++
	c.waiting[c.seq] = w
	line := must[[]byte](t)(json.Marshal(struct {
		Seq int `json:"seq"`
		asking
	}{c.seq, a}))
	_, err = c.in.Write(append(line, '\n'))
	c.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	select {
	case a := <-w:
		if a.Failure != "" {
			t.Fatalf("the client: %s", a.Failure)
		}
		if err := json.Unmarshal(a.Result, &got); err != nil {
			t.Fatalf("%v: %s", err, a.Result)
		}
	case <-time.After(patience):
		t.Fatalf("the client does not answer: %s", line)
	}
	return got
}
