package jsclient

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/npm"
)

// Deadline is how long anything is waited for before the test fails. It is
// generous: a machine under load delays a test, it does not fail it.
const Deadline = 30 * time.Second

// Driver is the Node process in which the clients run. It is safe for
// concurrent use, by parallel tests too.
type Driver struct {
	cmd    *exec.Cmd
	stderr *tail
	gone   chan struct{} // closed when the process has ended

	write sync.Mutex // held while a command is written to stdin
	stdin io.WriteCloser

	mu      sync.Mutex // guards what follows
	seq     int
	replies map[int]chan reply
	clients map[int]*Client
}

type reply struct {
	Result  json.RawMessage
	Failure string
}

// message is any line that the process writes.
type message struct {
	Ready string `json:"ready"`

	Seq     int             `json:"seq"`
	Result  json.RawMessage `json:"result"`
	Failure string          `json:"failure"`

	Client int               `json:"client"`
	Event  string            `json:"event"`
	Answer int               `json:"answer"`
	Args   []json.RawMessage `json:"args"`
}

// shared is the one process of a test binary. A failure to start is kept too,
// so that a hundred tests do not try a hundred installations.
var shared struct {
	sync.Mutex
	driver *Driver
	err    error
}

// Start returns the driver of this test binary and starts it on first use.
func Start(t testing.TB) *Driver {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.driver != nil && shared.driver.ended() {
		shared.driver = nil // the test that ended it has failed; the others shall not
	}
	if shared.driver == nil && shared.err == nil {
		shared.driver, shared.err = start()
	}
	npm.Check(t, shared.err)
	return shared.driver
}

// Stop ends the driver of this test binary, if it was started, and waits until
// the process and every goroutine of the driver are gone. A later Start begins
// anew.
func Stop() {
	shared.Lock()
	defer shared.Unlock()
	if shared.driver != nil {
		shared.driver.stop()
	}
	shared.driver, shared.err = nil, nil
}

// Main runs the tests of a package and stops the driver: the body of a
// TestMain.
func Main(m *testing.M) int {
	defer Stop()
	return m.Run()
}

func start() (*Driver, error) {
	script, err := install()
	if err != nil {
		return nil, err
	}
	d := &Driver{
		// The oldest client uses functions that Node has deprecated since.
		cmd:     exec.Command("node", "--no-deprecation", script),
		stderr:  &tail{},
		gone:    make(chan struct{}),
		replies: map[int]chan reply{},
		clients: map[int]*Client{},
	}
	d.cmd.Stderr = d.stderr
	if d.stdin, err = d.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan struct{})
	go d.read(stdout, ready)
	timer := time.NewTimer(Deadline)
	defer timer.Stop()
	select {
	case <-ready:
		return d, nil
	case <-d.gone:
		return nil, fmt.Errorf("the Node process ended at once\n%s", d.stderr)
	case <-timer.C:
		d.stop()
		return nil, fmt.Errorf("the Node process was not ready in %s\n%s", Deadline, d.stderr)
	}
}

func (d *Driver) ended() bool {
	select {
	case <-d.gone:
		return true
	default:
		return false
	}
}

func (d *Driver) stop() {
	d.write.Lock()
	d.stdin.Close() // the script exits at the end of its input
	d.write.Unlock()
	timer := time.NewTimer(Deadline)
	defer timer.Stop()
	select {
	case <-d.gone:
	case <-timer.C:
		d.cmd.Process.Kill()
		<-d.gone
	}
}

// read hands on what the process writes until it ends.
func (d *Driver) read(stdout io.Reader, ready chan<- struct{}) {
	defer close(d.gone)
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var m message
		if err := json.Unmarshal(line, &m); err != nil {
			fmt.Fprintf(d.stderr, "not a message: %s", line)
			continue
		}
		d.dispatch(m, ready)
	}
	d.cmd.Wait() // how it ended shows in stderr and in the tests that waited
}

func (d *Driver) dispatch(m message, ready chan<- struct{}) {
	switch {
	case m.Ready != "":
		close(ready)
	case m.Seq != 0:
		d.mu.Lock()
		ch := d.replies[m.Seq]
		delete(d.replies, m.Seq)
		d.mu.Unlock()
		if ch != nil {
			ch <- reply{m.Result, m.Failure}
		}
	default:
		d.mu.Lock()
		c := d.clients[m.Client]
		d.mu.Unlock()
		switch {
		case c == nil: // closed meanwhile
		case m.Answer != 0:
			c.answered(m.Answer, m.Args)
		default:
			c.saw(m.Event, m.Args)
		}
	}
}

// call sends a command and waits for the reply, at most for limit.
func (d *Driver) call(command map[string]any, limit time.Duration) (json.RawMessage, error) {
	ch := make(chan reply, 1)
	d.mu.Lock()
	d.seq++
	seq := d.seq
	d.replies[seq] = ch
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		delete(d.replies, seq)
		d.mu.Unlock()
	}()

	command["seq"] = seq
	line, err := json.Marshal(command)
	if err != nil {
		return nil, err
	}
	d.write.Lock()
	_, err = d.stdin.Write(append(line, '\n'))
	d.write.Unlock()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.obituary(), err)
	}

	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-ch:
		if r.Failure != "" {
			return nil, errors.New(r.Failure)
		}
		return r.Result, nil
	case <-d.gone:
		return nil, errors.New(d.obituary())
	case <-timer.C:
		return nil, fmt.Errorf("no reply to %s in %s\n%s", command["cmd"], limit, d.stderr)
	}
}

func (d *Driver) obituary() string {
	return "the Node process is gone\n" + d.stderr.String()
}

// Stats is what the process tells about itself.
type Stats struct {
	Clients int   // clients of Connect not closed yet
	Held    int   // clients that storms keep open
	RSS     int64 // bytes of memory
	Heap    int64 // bytes of its JavaScript heap in use
}

// Stats asks the process about itself.
func (d *Driver) Stats(t testing.TB) Stats {
	t.Helper()
	var s Stats
	d.must(t, map[string]any{"cmd": "stats"}, Deadline, &s)
	return s
}

// must runs a command that the test depends on. into may be nil.
func (d *Driver) must(t testing.TB, command map[string]any, limit time.Duration, into any) {
	t.Helper()
	name := command["cmd"]
	result, err := d.call(command, limit)
	if err == nil && into != nil {
		err = json.Unmarshal(result, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// tail keeps the end of what the process wrote to stderr.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailSize = 16 << 10

func (b *tail) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf = append(b.buf, p...)
	if over := len(b.buf) - tailSize; over > 0 {
		b.buf = b.buf[over:]
	}
	return len(p), nil
}

func (b *tail) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.buf) == 0 {
		return "(it wrote nothing to stderr)"
	}
	return "its stderr:\n" + string(b.buf)
}
