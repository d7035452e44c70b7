package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/chatpage"
	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/redisstore"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// node is a Go server of the cluster: what is the same for both libraries.
type node struct {
	address  string
	client   *redis.Client
	cluster  *cluster.Cluster   // broadcasts
	registry *socketio.Registry // revocations, and the sessions of all nodes
	verifier *verifier.Verifier
	options  []socketio.Option // of Authorize
	site     *http.Server

	nodes func(context.Context) (int, error)
	end   func() error // of the server
}

// startNode starts a node on a free port. serve makes the server of a library.
func startNode(ctx context.Context, s *site, serve func(*node) (http.Handler, error)) (*node, error) {
	n := &node{client: redis.NewClient(&redis.Options{Addr: s.redis.address})}
	if err := n.start(ctx, s.secret, serve); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func (n *node) start(ctx context.Context, secret []byte, serve func(*node) (http.Handler, error)) error {
	key, err := keys.Secret(secret)
	if err != nil {
		return err
	}
	if n.verifier, err = verifier.New(key, verifier.Issuer(chatpage.Issuer), verifier.Audience(chatpage.Audience)); err != nil {
		return err
	}
	broker, err := redisstore.NewBroker(n.client)
	if err != nil {
		return err
	}
	if n.cluster, err = cluster.New(broker, nil); err != nil {
		return err
	}
	store, err := redisstore.New(n.client, "chat:revocations")
	if err != nil {
		return err
	}
	presence, err := redisstore.NewPresence(n.client, "chat:presence", redisstore.DefaultLease)
	if err != nil {
		return err
	}
	n.registry = socketio.NewRegistry(&socketio.RegistryOptions{Store: store, Presence: presence})
	n.options = []socketio.Option{
		socketio.ByHandshake(), socketio.User(name),
		socketio.WithRegistry(n.registry), socketio.SessionLimit(1, socketio.EvictOldest),
	}
	handler, err := serve(n)
	if err != nil {
		return err
	}

	// Serve when the node knows what was revoked and hears the other nodes.
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := errors.Join(n.registry.Synced(ctx), n.cluster.Ready(ctx)); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	n.address = listener.Addr().String()
	n.site = &http.Server{Handler: chatpage.New(secret, chatpage.Version4, handler), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = n.site.Serve(listener) }()
	return nil
}

// name maps a verified token to what the chat knows its bearer by.
func name(_ context.Context, t *verifier.Token, _ *verifier.Handshake) (any, error) {
	var claims struct{ Name string }
	if err := t.Claims(&claims); err != nil {
		return nil, err
	}
	return claims.Name, nil
}

// message is what everybody gets of what somebody said.
type message struct {
	From string `json:"from"`
	Text string `json:"text"`
}

// person is what other nodes are told of a socket.
type person struct {
	Name string `json:"name"`
	Node string `json:"node"`
}

func (p person) String() string { return fmt.Sprintf("%s (%s)", p.Name, p.Node) }

// said handles what somebody said: broadcast sends it to everybody, and disconnect
// disconnects the sockets of a user, on Node.js too. It returns what was wrong, or "".
func (n *node) said(from, text string, broadcast func(message), disconnect func(room string)) string {
	text = strings.TrimSpace(text)
	if text == "" || utf8.RuneCountInString(text) > 500 {
		return "A message has 1 to 500 characters."
	}
	who, ok := strings.CutPrefix(text, "/revoke ")
	if !ok {
		broadcast(message{From: from, Text: text})
		return ""
	}
	// Here anybody may revoke anybody: it is a demonstration.
	subject := strings.ToLower(who)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := n.registry.Revoke(ctx, socketio.Revocation{Subject: subject, Expires: time.Now().Add(chatpage.Lifetime)}); err != nil {
		log.Print(err)
		return "The revocation is not stored yet; it will be when Redis is back."
	}
	disconnect(userRoom(subject))
	return ""
}

// userRoom is the room of a user's sockets on all nodes.
func userRoom(subject string) string { return "user:" + subject }

// close ends the node, and whatever it has started.
func (n *node) close() error {
	var errs []error
	if n.end != nil {
		errs = append(errs, n.end())
	}
	if n.site != nil {
		errs = append(errs, n.site.Close())
	}
	if n.cluster != nil {
		errs = append(errs, n.cluster.Close())
	}
	if n.registry != nil {
		errs = append(errs, n.registry.Close())
	}
	return errors.Join(append(errs, n.client.Close())...)
}
