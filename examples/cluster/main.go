// Command cluster is one chat on three nodes: go-socket.io (package googollee),
// socket.io for Go (package zishang) and Node.js, behind nginx, with Redis between them.
// All nodes receive what is said at one, a user has one session on all Go nodes, and
// a user who is revoked at one node is disconnected from every node.
//
//	go run .          # the demonstration, and then the page: open it in two browsers
//	go run . -once    # only the demonstration; fails if any of it does not hold
//
// It starts all of them on free ports (Debian: redis-server, nginx-light, nodejs, npm).
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/chatpage"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsserver"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/nginx"
)

func main() { trial.Main("cluster", run) }

func run(ctx context.Context, addr string, then bool) (err error) {
	s := &site{secret: mint.Secret()}
	defer func() { err = errors.Join(err, s.close()) }()
	if addr == "" || !then {
		if addr, err = nginx.FreeAddress(); err != nil {
			return err
		}
	}
	if err := s.start(ctx, addr); err != nil {
		return err
	}
	fmt.Printf("nginx at %s before googollee at %s, zishang at %s and Node.js at %s\n\n", s.url, s.one.address, s.two.address, s.three.URL)
	if err := s.demonstrate(ctx, os.Stdout); err != nil || !then {
		return err
	}
	fmt.Printf("\nServing at %s (Ctrl-C ends it)\nOpen it in two browsers: the cookie of nginx keeps each at its node.\nSay \"/revoke Grace\" to revoke Grace.\n", s.url)
	<-ctx.Done()
	return nil
}

// site is everything that runs.
type site struct {
	secret []byte // that tokens are signed with
	redis  *redisServer
	one    *node // googollee
	two    *node // zishang
	three  *jsserver.Server
	proxy  *nginx.Server
	url    string
}

func (s *site) start(ctx context.Context, addr string) (err error) {
	if s.redis, err = startRedis(ctx); err != nil {
		return err
	}
	if s.one, err = startNode(ctx, s, serveGoogollee); err != nil {
		return err
	}
	if s.two, err = startNode(ctx, s, serveZishang); err != nil {
		return err
	}
	s.three, err = jsserver.Run(jsserver.Options{
		Redis: s.redis.address, Secret: s.secret, Issuer: chatpage.Issuer, Audience: chatpage.Audience,
	})
	if err != nil {
		return err
	}
	if err := s.awaitNodes(ctx, 3); err != nil {
		return err
	}
	if s.proxy, err = nginx.New(); err != nil {
		return err
	}
	s.url = "http://" + addr
	return s.proxy.Start(s.configuration(addr), addr)
}

// awaitNodes waits until the nodes know each other.
func (s *site) awaitNodes(ctx context.Context, n int) error {
	var got int
	if eventually(func() bool { got, _ = s.one.nodes(ctx); return got == n }) {
		return nil
	}
	return fmt.Errorf("there are %d nodes, expected %d", got, n)
}

// configuration is nginx's: a cookie keeps each client at its node, and the pages come
// from the Go nodes. It is that of docs/deployment.md with a third node.
func (s *site) configuration(addr string) string {
	_, three, _ := net.SplitHostPort(s.three.URL[len("http://"):])
	return fmt.Sprintf(`
map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
upstream pages { server %[1]s; server %[2]s; }
upstream chat  { server %[1]s; server %[2]s; server 127.0.0.1:%[3]s; }
map $cookie_node $backend {
    default chat;
    one     %[1]s;
    two     %[2]s;
    three   127.0.0.1:%[3]s;
}
map $upstream_addr $node {
    %[1]s one;
    %[2]s two;
    127.0.0.1:%[3]s three;
}
access_log off;
server {
    listen %[4]s;
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_buffering off;
    proxy_read_timeout 60s;
    location /socket.io/ {
        proxy_pass http://$backend;
        add_header Set-Cookie "node=$node; Path=/socket.io/; HttpOnly; SameSite=Lax";
    }
    location / { proxy_pass http://pages; }
    location = /socket.io/socket.io.js { proxy_pass http://pages; }
}
`, s.one.address, s.two.address, three, addr)
}

func (s *site) close() error {
	var errs []error
	if s.proxy != nil {
		s.proxy.Stop()
	}
	if s.three != nil {
		s.three.Stop()
	}
	for _, n := range []*node{s.two, s.one} {
		if n != nil {
			errs = append(errs, n.close())
		}
	}
	if s.redis != nil {
		s.redis.stop()
	}
	return errors.Join(errs...)
}

// eventually waits for a while until the condition holds, and reports whether it does.
func eventually(condition func() bool) bool {
	for range 400 {
		if condition() {
			return true
		}
		time.Sleep(50 * time.Millisecond)
	}
	return condition()
}
