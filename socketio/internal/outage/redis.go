package outage

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ErrNoRedis says that redis-server is not installed.
var ErrNoRedis = errors.New("redis-server is not installed (Debian: apt-get install redis-server)")

// Redis is its own redis-server process on a port of the loopback interface,
// which keeps nothing when it stops.
type Redis struct {
	address  string
	program  string
	settings []string
	dir      string
	cmd      *exec.Cmd // nil while it is stopped
}

// NewRedis starts a Redis with these settings ("--maxmemory", "1mb") and returns when
// it answers.
func NewRedis(settings ...string) (*Redis, error) {
	return newRedis(freePort(), settings...)
}

func newRedis(port string, settings ...string) (*Redis, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, ErrNoRedis
	}
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		return nil, err
	}
	r := &Redis{address: net.JoinHostPort("127.0.0.1", port), program: program, settings: settings, dir: dir}
	return r, r.Start()
}

// given are the ports that freePort has returned. A Redis that is stopped takes its port
// again, so that no other may have it meanwhile.
var given sync.Map

// freePort returns a port of the loopback interface such that nothing listens on it, nor
// on those that are greater by each of the numbers, and none twice. It is below the ports of
// outgoing connections, which could otherwise take it before Redis has started, or starts
// again.
func freePort(more ...int) string {
	for {
		n, free := 10_000+rand.N(20_000), true
		for _, m := range append(more, 0) {
			if _, taken := given.LoadOrStore(n+m, true); taken {
				free = false
				continue
			}
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(n+m)))
			if err == nil {
				_ = l.Close()
			}
			free = free && err == nil
		}
		if free {
			return strconv.Itoa(n)
		}
	}
}

// NewSentinel starts a Redis Sentinel that watches the master at an address, under
// the name "main", and replaces it after it has been silent for a second.
func NewSentinel(master string) (*Redis, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, ErrNoRedis
	}
	host, masterPort, err := net.SplitHostPort(master)
	if err != nil {
		return nil, err
	}
	port := freePort()
	dir, err := os.MkdirTemp("", "sentinel")
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf("sentinel monitor main %s %s 1\nsentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n", host, masterPort)
	file := filepath.Join(dir, "sentinel.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	r := &Redis{address: net.JoinHostPort("127.0.0.1", port), program: program, settings: []string{file, "--sentinel"}, dir: dir}
	return r, r.Start()
}

// Address is its host and port, the same after every start.
func (r *Redis) Address() string { return r.address }

// Start starts it again after [Redis.Stop], and returns when it answers itself: another
// server may have its port.
func (r *Redis) Start() error {
	_, port, err := net.SplitHostPort(r.address)
	if err != nil {
		return err
	}
	args := []string{"--bind", "127.0.0.1", "--port", port, "--dir", r.dir}
	if len(r.settings) > 1 && r.settings[1] == "--sentinel" {
		args = append(r.settings[:1:1], append(args, "--sentinel")...)
	} else {
		args = append(append(args, "--save", "", "--appendonly", "no"), r.settings...)
	}
	cmd := exec.Command(r.program, args...)
	if err := cmd.Start(); err != nil {
		return err
	}
	r.cmd = cmd
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := r.ping()
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			r.Stop()
			return fmt.Errorf("redis-server does not answer: %w", err)
		}
	}
}

func (r *Redis) ping() error {
	c, err := net.Dial("tcp", r.address)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if _, err := c.Write([]byte("INFO server\r\n")); err != nil {
		return err
	}
	want := fmt.Sprintf("process_id:%d", r.cmd.Process.Pid)
	for lines := bufio.NewScanner(c); lines.Scan(); {
		switch line := lines.Text(); {
		case line == want: // Scan drops the CR
			return nil
		case strings.HasPrefix(line, "process_id:"), strings.HasPrefix(line, "-"):
			return fmt.Errorf("INFO is answered %q, expected %q", line, want)
		}
	}
	return errors.New("INFO is not answered")
}

// Pause has it do nothing, with its connections open, until [Redis.Resume].
func (r *Redis) Pause() error { return Pause(r.cmd.Process) }

// Resume ends a pause.
func (r *Redis) Resume() error { return Resume(r.cmd.Process) }

// Stop kills it.
func (r *Redis) Stop() {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
	r.cmd = nil
}

// Close kills it and removes its files.
func (r *Redis) Close() {
	r.Stop()
	_ = os.RemoveAll(r.dir)
}
