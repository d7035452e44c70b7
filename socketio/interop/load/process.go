package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// process is a server in a separate process, on the second processor.
type process struct {
	url string
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	mu  sync.Mutex // one question at a time
	log *log
}

// log is what a server says that it should not have to.
type log struct {
	mu   sync.Mutex
	text []byte
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.text) < 1<<16 {
		l.text = append(l.text, p...)
	}
	return len(p), nil
}

// take returns what was logged and forgets it.
func (l *log) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := string(l.text)
	l.text = nil
	return text
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// start starts a server of a kind; flags are those of serve.
func start(v verification, kind, mode string, flags ...string) (*process, error) {
	var line []string
	if strings.HasPrefix(kind, "node") {
		program, err := peers()
		if err != nil {
			return nil, err
		}
		line = []string{"node", "--expose-gc", program, kind, mode}
	} else {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		line = append(append([]string{self, "serve"}, flags...), kind, mode)
	}
	if _, err := exec.LookPath("taskset"); err == nil && os.Getenv(pinned) != "" {
		line = append([]string{"taskset", "-c", "1"}, line...)
	}
	p := &process{cmd: exec.Command(line[0], line[1:]...), log: new(log)}
	p.cmd.Env = append(os.Environ(), v.environment())
	p.cmd.Stderr = p.log
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.in, p.out = in, bufio.NewReader(out)
	first, err := p.out.ReadString('\n')
	url, ready := strings.CutPrefix(strings.TrimSpace(first), "ready ")
	if err != nil || !ready {
		p.stop()
		return nil, fmt.Errorf("the server %s did not start: %s%s", kind, first, p.log)
	}
	p.url = url
	return p, nil
}

// ask puts a question to the server, which serve knows.
func (p *process) ask(question string) (report, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var r report
	if _, err := fmt.Fprintln(p.in, question); err != nil {
		return r, err
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return r, fmt.Errorf("the server is gone: %w\n%s", err, p.log)
	}
	return r, json.Unmarshal(line, &r)
}

// settled waits until the server has at most so many connections, for a
// while at most: servers that lose count of theirs do not get there.
func (p *process) settled(connections int, atMost time.Duration) (report, error) {
	for end := time.Now().Add(atMost); ; time.Sleep(20 * time.Millisecond) {
		r, err := p.ask("use")
		if err != nil || r.Sessions <= connections || time.Now().After(end) {
			return r, err
		}
	}
}

// rested measures the server when all have gone: it waits until no connection is
// left, so long at most, and then for the last goroutines.
func (p *process) rested(atMost, pause time.Duration) (report, error) {
	if _, err := p.settled(0, atMost); err != nil {
		return report{}, err
	}
	time.Sleep(pause)
	return p.ask("rest")
}

// stop ends the server and waits for it.
func (p *process) stop() {
	_, _ = fmt.Fprintln(p.in, "quit")
	_ = p.in.Close()
	kill := time.AfterFunc(30*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	_, _ = io.Copy(io.Discard, p.out)
	_ = p.cmd.Wait()
}

// peers installs the servers in Node, once, and returns their program.
func peers() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "socketio-jwt-load")
	for name, content := range peerFiles {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return "", err
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "@socket.io", "redis-adapter")); err != nil {
		npm := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
		npm.Dir = dir
		if out, err := npm.CombinedOutput(); err != nil {
			return "", fmt.Errorf("npm ci: %w\n%s", err, out)
		}
	}
	return filepath.Join(dir, "server.js"), nil
}
