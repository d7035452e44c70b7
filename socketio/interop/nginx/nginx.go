// Package nginx runs Debian's nginx for the tests and examples of this module. It
// promises no compatibility.
package nginx

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ErrNotInstalled says that there is no nginx on this machine.
var ErrNotInstalled = errors.New("nginx is not installed (Debian: apt-get install nginx-light)")

// patience is how long nginx may take to answer or to end on a busy machine.
const patience = 30 * time.Second

// Server is a running nginx.
type Server struct {
	Dir string // for files of the configuration; removed by Stop

	cmd *exec.Cmd
	log strings.Builder
}

// FreeAddress returns an address of the loopback interface that nothing listens on. Its
// port is below those of outgoing connections, which could otherwise take it before the
// server that it is for has started.
func FreeAddress() (string, error) {
	var err error
	for range 100 {
		address := fmt.Sprint("127.0.0.1:", 10_000+rand.N(20_000))
		var l net.Listener
		if l, err = net.Listen("tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", err
}

// New makes a server that does not run yet, so that files can be put into its Dir.
func New() (*Server, error) {
	dir, err := os.MkdirTemp("", "nginx-")
	return &Server{Dir: dir}, err
}

// Start runs nginx with the contents of the configuration's http block, and returns
// when all addresses answer.
func (s *Server) Start(http string, addresses ...string) error {
	program, err := exec.LookPath("nginx")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			return ErrNotInstalled
		}
	}
	if err := s.write(http); err != nil {
		return err
	}
	s.cmd = exec.Command(program, "-p", s.Dir, "-c", filepath.Join(s.Dir, "nginx.conf"), "-e", filepath.Join(s.Dir, "start.log"))
	s.cmd.Stderr = &s.log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	for _, a := range addresses {
		if err := s.await(a); err != nil {
			s.Stop()
			return err
		}
	}
	return nil
}

func (s *Server) write(http string) error {
	user := ""
	if os.Getuid() == 0 {
		user = "user root;" // its workers need the temporary folder
	}
	temporary := ""
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temporary += fmt.Sprintf("%s_temp_path %s;\n", kind, filepath.Join(s.Dir, kind))
	}
	config := fmt.Sprintf("daemon off;\nworker_processes 1;\n%s\npid %s;\nerror_log %s notice;\nevents { worker_connections 4096; }\nhttp {\n%s%s}\n",
		user, filepath.Join(s.Dir, "nginx.pid"), filepath.Join(s.Dir, "default-error.log"), temporary, http)
	return os.WriteFile(filepath.Join(s.Dir, "nginx.conf"), []byte(config), 0o600)
}

func (s *Server) await(address string) error {
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			return c.Close()
		}
		if time.Since(begin) > patience || s.cmd.Process.Signal(syscall.Signal(0)) != nil {
			return fmt.Errorf("nginx does not answer at %s: %w\n%s%s", address, err, s.log.String(), s.Log("start.log"))
		}
	}
}

// Reload has nginx take another configuration for new connections. It returns before
// the old one has ended.
func (s *Server) Reload(http string) error {
	if err := s.write(http); err != nil {
		return err
	}
	return s.cmd.Process.Signal(syscall.SIGHUP)
}

// Log returns what nginx wrote to a file in its Dir.
func (s *Server) Log(name string) string {
	b, err := os.ReadFile(filepath.Join(s.Dir, name))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Stop ends nginx and removes its Dir.
func (s *Server) Stop() {
	s.Finish()
	_ = os.RemoveAll(s.Dir)
}

// Finish ends nginx, which then has written its logs.
func (s *Server) Finish() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		timer := time.AfterFunc(patience, func() { _ = s.cmd.Process.Kill() })
		_ = s.cmd.Wait()
		timer.Stop()
		s.cmd = nil
	}
}
