package outage

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"
)

// ErrNoRedis says that there is no redis-server on this machine.
var ErrNoRedis = errors.New("redis-server is not installed (Debian: apt-get install redis-server)")

// Redis is a server of its own, on a port of the loopback interface, that keeps
// nothing when it stops.
type Redis struct {
	address string
	program string
	cmd     *exec.Cmd // nil while it is stopped
}

// NewRedis starts a Redis, and returns when it answers.
func NewRedis() (*Redis, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, ErrNoRedis
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &Redis{address: free.Addr().String(), program: program}
	_ = free.Close()
	return r, r.Start()
}

// Address is its host and port, the same after every start.
func (r *Redis) Address() string { return r.address }

// Start starts it again after [Redis.Stop].
func (r *Redis) Start() error {
	_, port, err := net.SplitHostPort(r.address)
	if err != nil {
		return err
	}
	cmd := exec.Command(r.program, "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", os.TempDir())
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
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer := make([]byte, 7)
	if n, err := c.Read(answer); err != nil || string(answer[:n]) != "+PONG\r\n" {
		return fmt.Errorf("PING is answered %q, %v", answer[:n], err)
	}
	return nil
}

// Stop kills it.
func (r *Redis) Stop() {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
	r.cmd = nil
}
