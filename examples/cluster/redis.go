package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"

	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/nginx"
)

// redisServer is a Redis on a port of the loopback interface, which keeps nothing.
type redisServer struct {
	address string
	dir     string
	cmd     *exec.Cmd
}

var errNoRedis = errors.New("no redis-server was found: install it (Debian: apt-get install redis-server)")

func startRedis(ctx context.Context) (*redisServer, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, errNoRedis
	}
	address, err := nginx.FreeAddress()
	if err != nil {
		return nil, err
	}
	s := &redisServer{address: address}
	if s.dir, err = os.MkdirTemp("", "cluster"); err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(s.address)
	s.cmd = exec.Command(program, "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", s.dir)
	if err := s.cmd.Start(); err != nil {
		_ = os.RemoveAll(s.dir)
		return nil, fmt.Errorf("redis-server: %w", err)
	}
	client := redis.NewClient(&redis.Options{Addr: s.address})
	defer client.Close()
	if eventually(func() bool { err = client.Ping(ctx).Err(); return err == nil }) {
		return s, nil
	}
	s.stop()
	return nil, fmt.Errorf("redis-server does not answer: %w", err)
}

func (s *redisServer) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	_ = os.RemoveAll(s.dir)
}
