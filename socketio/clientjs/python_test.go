package clientjs_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// pythonRunner drives the snippet of docs/client.md as the Node driver drives the
// module.
const pythonRunner = `
import sys
import aiohttp

async def main():
    url, tokens = sys.argv[1], sys.argv[2]
    async def get_token(reason):
        async with aiohttp.ClientSession() as http:
            async with http.get(tokens + '&reason=' + reason) as answer:
                if answer.status == 401:
                    return None
                answer.raise_for_status()
                return await answer.text()
    async def on_authenticated():
        print(json.dumps({'Event': 'authenticated'}), flush=True)
    client = socketio.AsyncClient(reconnection=False)
    refusal = await stay_authenticated(client, url, get_token, on_authenticated, 0.05, 0.4)
    print(json.dumps({'Event': 'stopped', 'Detail': {'Reason': refusal['reason']}}), flush=True)

asyncio.run(main())
`

// python returns the interpreter that has python-socketio.
func python(t testing.TB) string {
	t.Helper()
	for _, program := range []string{"/usr/bin/python3", "python3"} { // Debian's package is for Debian's interpreter
		if exec.Command(program, "-c", "import socketio.asyncio_client, aiohttp").Run() == nil {
			return program
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("python3-socketio and python3-aiohttp are not installed")
	}
	t.Skip("python3-socketio or python3-aiohttp is not installed: the snippet is not tried")
	return ""
}

// snippet writes the program of docs/client.md, and what runs it, to a file.
func snippet(t *testing.T) (script string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/client.md")
	if err != nil {
		t.Fatal(err)
	}
	_, snippet, ok := strings.Cut(string(page), "```python\n")
	snippet, _, ended := strings.Cut(snippet, "\n```\n")
	if !ok || !ended {
		t.Fatal("docs/client.md has no Python snippet")
	}
	script = filepath.Join(t.TempDir(), "client.py")
	if err := os.WriteFile(script, []byte(snippet+"\n"+pythonRunner), 0o600); err != nil {
		t.Fatal(err)
	}
	return script
}

// pythonSession has the snippet authenticate with tokens of this lifetime.
func pythonSession(t *testing.T, lifetime time.Duration) (i *issuer, n *node, c *client, done chan struct{}) {
	t.Helper()
	program, script := python(t), snippet(t)
	i = newIssuer(t, lifetime)
	n = newNode(t, startZishang, i, nil, socketio.ByHandshake())
	c, done = pythonClient(t, exec.Command(program, script, n.url(), i.tokens("ada")))
	c.expect(t, "authenticated")
	return i, n, c, done
}

// TestPythonRefusedRenewal: the snippet asks for another token if a renewal was refused, and
// stops if no token of the user would do.
func TestPythonRefusedRenewal(t *testing.T) {
	i, _, c, done := pythonSession(t, 3*time.Second)
	i.set(func(i *issuer) {
		i.more, i.lifetime = `,"nbf":4e9`, time.Hour
		i.calls = append(i.calls, &call{user: "ada", at: time.Now()})
		i.frozen["ada"] = i.mint(i.calls[len(i.calls)-1], len(i.calls)-1)
		i.more = ""
	})
	eventually(t, "the token that is not valid yet is presented, and the next one fetched", func() bool {
		i.mu.Lock()
		defer i.mu.Unlock()
		return len(i.presented) == 2 && len(i.calls) >= 4
	})
	i.set(func(i *issuer) { delete(i.frozen, "ada"); i.lifetime = 3 * time.Second })
	eventually(t, "a renewal", func() bool { return i.renewals() >= 1 })
	if got := c.count("authenticated"); got != 1 {
		t.Errorf("the connection did not stay: %d sessions", got)
	}
	i.check(t, false)

	i.set(func(i *issuer) {
		i.calls = append(i.calls, &call{user: "bob", at: time.Now()})
		i.frozen["ada"] = i.mint(i.calls[len(i.calls)-1], len(i.calls)-1)
	})
	if why := c.expect(t, "stopped").Detail.Reason; why != "identity_mismatch" {
		t.Errorf("stopped with %q", why)
	}
	<-done
}

// TestPython: the snippet of docs/client.md renews, comes back with fresh tokens,
// and stops when its user is revoked.
func TestPython(t *testing.T) {
	i, n, c, done := pythonSession(t, 2*time.Second)
	eventually(t, "three renewals", func() bool { return i.renewals() >= 3 })
	if got := c.count("authenticated"); got != 1 {
		t.Errorf("the connection did not stay: %d sessions", got)
	}
	for _, disturb := range []func(){
		func() {
			n.link.Cut()
			eventually(t, "cut", func() bool { return n.connected("ada") == 0 })
			n.link.Mend()
		},
		func() { n.down(); n.up(t) },
		func() {
			i.set(func(i *issuer) { i.down = true })
			before := len(i.attempts("ada"))
			n.down()
			n.up(t)
			eventually(t, "attempts to get a token", func() bool { return len(i.attempts("ada")) >= before+2 })
			i.set(func(i *issuer) { i.down = false })
		},
	} {
		disturb()
		c.expect(t, "authenticated")
	}
	i.check(t, false)
	n.revoke(t, "ada")
	if why := c.expect(t, "stopped").Detail.Reason; why != "token_revoked" {
		t.Errorf("stopped with %q", why)
	}
	<-done
}

// pythonClient starts a client, and closes done when it has ended.
func pythonClient(t *testing.T, cmd *exec.Cmd) (c *client, done chan struct{}) {
	t.Helper()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(stderr.String())
		}
	})
	c = &client{changed: make(chan struct{})}
	d := &driver{clients: map[int]*client{0: c}}
	done = make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if json.Valid(lines.Bytes()) {
				d.dispatch(lines.Bytes())
			}
		}
	}()
	return c, done
}
