// Package jsserver runs Socket.IO servers on Node.js for cluster tests: npm's
// socket.io 4.8.4 with @socket.io/redis-adapter 8.3.0, and @socket.io/redis-emitter
// 5.1.0, each in a separate process. [Start] starts one, [Server.Do] has it
// broadcast and the like.
//
// The package serves the tests of this module and promises no compatibility.
package jsserver

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/npm"
)

// What npm installs. To change a version, edit package.json and run
// "npm install --package-lock-only" beside it.
var (
	//go:embed package.json
	packageJSON []byte
	//go:embed package-lock.json
	packageLock []byte
	//go:embed server.js
	serverJS []byte
)

// patience is how long anything may take on a busy machine.
const patience = 60 * time.Second

// Options of a server.
type Options struct {
	Redis   string `json:"redis"`             // its address
	Prefix  string `json:"prefix"`            // of the channels; "" is "socket.io"
	Secret  []byte `json:"secret,omitempty"`  // of HS256: only clients with a valid token are accepted
	Timeout int    `json:"timeout,omitempty"` // of requests, in ms; 0 is 5000

	Issuer   string `json:"issuer,omitempty"`   // that tokens must have; "" is any
	Audience string `json:"audience,omitempty"` // that tokens must have; "" is any
}

// Server is a server process.
type Server struct {
	URL string

	cmd   *exec.Cmd
	stdin io.WriteCloser
	log   *bytes.Buffer
}

// Start starts a server, which is stopped when the test ends. Without Node.js the
// test is skipped, or fails if CI is true.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := Run(o)
	npm.Check(t, err)
	t.Cleanup(s.Stop)
	return s
}

// Run starts a server outside of a test. The caller stops it.
func Run(o Options) (*Server, error) {
	dir, err := npm.Install("servers", packageJSON, packageLock)
	if err != nil {
		return nil, err
	}
	script, err := npm.Script(dir, "server.js", serverJS)
	if err != nil {
		return nil, err
	}
	if o.Prefix == "" {
		o.Prefix = "socket.io"
	}
	arguments, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	s := &Server{cmd: exec.Command("node", script, string(arguments)), log: new(bytes.Buffer)}
	s.cmd.Stderr = s.log
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		s.Stop()
		return nil, fmt.Errorf("the server on Node.js did not start: %w\n%s", err, s.log)
	}
	s.URL = "http://127.0.0.1:" + strings.TrimSpace(port)
	return s, nil
}

// Stop ends the process and waits for its end.
func (s *Server) Stop() {
	_ = s.stdin.Close()
	timer := time.AfterFunc(patience, func() { _ = s.cmd.Process.Kill() })
	defer timer.Stop()
	_ = s.cmd.Wait()
}

// Kill ends the process as a crash does.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// Command is what a server does. Op is one of the operations in server.js.
type Command struct {
	Op       string   `json:"op"`
	Rooms    []string `json:"rooms,omitempty"`
	Except   []string `json:"except,omitempty"`
	Args     []any    `json:"args,omitempty"`    // the event's name and its arguments
	Names    []string `json:"names,omitempty"`   // of rooms to join or leave
	Close    bool     `json:"close,omitempty"`   // the connection, too
	Timeout  int      `json:"timeout,omitempty"` // in ms
	Volatile bool     `json:"volatile,omitempty"`
	Channel  string   `json:"channel,omitempty"` // of publish
	Data     []byte   `json:"data,omitempty"`    // of publish
}

// Try has the server do something and returns the result, or why it failed.
func (s *Server) Try(c Command) (json.RawMessage, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Post(s.URL+"/control", "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	var answer struct {
		Result  json.RawMessage
		Failure string
	}
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Failure != "" {
		return nil, errors.New(answer.Failure)
	}
	return answer.Result, nil
}

// Do is [Server.Try] that fails the test on an error. into may be nil.
func (s *Server) Do(t testing.TB, c Command, into any) {
	t.Helper()
	result, err := s.Try(c)
	if err == nil && into != nil {
		err = json.Unmarshal(result, into)
	}
	if err != nil {
		t.Fatalf("%s on Node.js: %v", c.Op, err)
	}
}
