package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/chatpage"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/sio4"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
)

// demonstrate has Ada, Grace and Linus chat at three nodes, all through nginx.
func (s *site) demonstrate(ctx context.Context, out io.Writer) error {
	report := &trial.Report{Out: out}
	nodes := []struct{ who, cookie, node string }{
		{"Ada", "one", "googollee"}, {"Grace", "two", "zishang"}, {"Linus", "three", "Node.js"},
	}
	clients := make(map[string]*sio4.Client)
	for _, n := range nodes {
		c, err := s.connect(ctx, n.who, n.cookie)
		if err != nil {
			return fmt.Errorf("%s at %s: %w", n.who, n.node, err)
		}
		defer c.Close()
		clients[n.who] = c
	}
	for _, from := range nodes {
		if err := clients[from.who].Emit("message", "hello from "+from.node); err != nil {
			return err
		}
		for _, to := range nodes {
			var m message
			err := clients[to.who].Await("message", &m)
			report.Expect("from "+from.node+" to "+to.node, from.who+": hello from "+from.node, m.From+": "+m.Text, err)
		}
	}

	// One session for a user, on whichever node.
	again, err := s.connect(ctx, "Ada", "two")
	if err != nil {
		return err
	}
	defer again.Close()
	reason, err := clients["Ada"].Answer()
	report.Expect("Ada's first session, when she comes to zishang", "session_limit", reason, err)

	// Revoked at one node, disconnected from all.
	for _, who := range []string{"Grace", "Linus"} {
		if err := again.Emit("message", "/revoke "+who); err != nil {
			return err
		}
	}
	reason, err = clients["Grace"].Answer()
	report.Expect("Grace, revoked by Ada", "token_revoked", reason, err)
	for _, n := range nodes[:2] {
		reason, err := s.whyOut(ctx, "Grace", n.cookie)
		report.Expect("Grace's token after that, at "+n.node, "token_revoked", reason, err)
	}
	for err = nil; err == nil; {
		_, _, err = clients["Linus"].Next()
	}
	report.Expect("Linus at Node.js, revoked by Ada", "disconnected by the server", err.Error(), nil)
	reason, err = sio4.Outcome(s.connect(ctx, "Ada", "three"))
	report.Expect("Ada's token after that, at Node.js", "connected", reason, err)
	return report.Err()
}

// whyOut returns why the server refuses a user, or ends the user's session soon: a node
// that has not heard of a revocation yet accepts the user until it has.
func (s *site) whyOut(ctx context.Context, who, cookie string) (string, error) {
	c, err := s.connect(ctx, who, cookie)
	if err != nil {
		return sio4.Outcome(nil, err)
	}
	defer c.Close()
	return c.Answer()
}

// connect connects a client at a node, which nginx chooses by its cookie.
func (s *site) connect(ctx context.Context, who, cookie string) (*sio4.Client, error) {
	token := mint.HS256(s.secret, chatpage.Claims(who, time.Now()))
	return sio4.Dial(ctx, s.url, "/", http.Header{"Cookie": {"node=" + cookie}}, map[string]string{"token": token})
}
