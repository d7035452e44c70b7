package clientjs_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/clientjs"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
)

// patience is how long anything here may take on a busy machine.
const patience = 30 * time.Second

// driver is a Node process that runs the module with real clients.
type driver struct {
	mu      sync.Mutex // guards the rest
	stdin   io.WriteCloser
	clients map[int]*client
}

// client is one connection of the module's.
type client struct {
	d  *driver
	id int

	mu      sync.Mutex // guards the rest
	events  []report
	seen    int // how many of them a wait has passed
	changed chan struct{}
}

// report is what the module's callbacks were told.
type report struct {
	at     time.Time
	Time   int64 // when it happened, in milliseconds of the Unix epoch; 0 if the client does not say
	Event  string
	Detail struct {
		Reason, Message, State string
		Retryable              bool
		Delay                  float64 // milliseconds
	}
}

// shared is the one process of the test binary.
var shared struct {
	sync.Mutex
	driver *driver
	stop   func()
}

// startDriver returns the process, and starts it on first use.
func startDriver(t testing.TB) *driver {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.driver == nil {
		shared.driver, shared.stop = newDriver(t)
	}
	return shared.driver
}

func newDriver(t testing.TB) (*driver, func()) {
	t.Helper()
	clients := jsclient.Install(t)
	dir, err := os.MkdirTemp("", "clientjs")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("testdata/driver.mjs")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "driver.mjs"), script, 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "client.mjs"), clientjs.Module(), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "--no-deprecation", filepath.Join(dir, "driver.mjs"), clients)
	cmd.Stderr = os.Stderr
	d := &driver{clients: make(map[int]*client)}
	if d.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			d.dispatch(lines.Bytes())
		}
	}()
	return d, func() {
		_ = d.stdin.Close()
		<-done
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
	}
}

func (d *driver) dispatch(line []byte) {
	r := struct {
		ID int
		report
	}{}
	if err := json.Unmarshal(line, &r); err != nil {
		return
	}
	d.mu.Lock()
	c := d.clients[r.ID]
	d.mu.Unlock()
	if c == nil {
		return
	}
	if r.at = time.UnixMilli(r.Time); r.Time == 0 {
		r.at = time.Now()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, r.report)
	close(c.changed)
	c.changed = make(chan struct{})
}

// open opens a connection.
func (d *driver) open(t testing.TB, version, url, tokens string, options map[string]any) *client {
	t.Helper()
	d.mu.Lock()
	c := &client{d: d, id: len(d.clients) + 1, changed: make(chan struct{})}
	d.clients[c.id] = c
	d.mu.Unlock()
	c.do(t, "open", map[string]any{"version": version, "url": url, "tokens": tokens, "options": options})
	t.Cleanup(func() { c.do(t, "stop", nil) })
	return c
}

func (c *client) do(t testing.TB, cmd string, more map[string]any) {
	t.Helper()
	command := map[string]any{"cmd": cmd, "id": c.id}
	for name, value := range more {
		command[name] = value
	}
	line, err := json.Marshal(command)
	if err == nil {
		c.d.mu.Lock()
		_, err = c.d.stdin.Write(append(line, '\n'))
		c.d.mu.Unlock()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// expect waits for an event that no expect has passed yet.
func (c *client) expect(t testing.TB, event string) report {
	t.Helper()
	deadline := time.After(patience)
	for {
		c.mu.Lock()
		for c.seen < len(c.events) {
			r := c.events[c.seen]
			c.seen++
			if r.Event == event {
				c.mu.Unlock()
				return r
			}
		}
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("no event %q within %v; the client reported\n%s", event, patience, c.log())
		}
	}
}

// count is how many events of a name there were so far.
func (c *client) count(event string) int { return len(c.reports(event)) }

func (c *client) reports(event string) []report {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []report
	for _, r := range c.events {
		if r.Event == event {
			found = append(found, r)
		}
	}
	return found
}

func (c *client) log() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := ""
	for _, r := range c.events {
		text += fmt.Sprintf("%s %s %+v\n", r.at.Format("05.000"), r.Event, r.Detail)
	}
	return text
}

// eventually waits until f holds.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !f(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
