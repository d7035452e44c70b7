package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
)

// serveGoogollee makes the server of the node on go-socket.io. This node also tells
// everybody who is there, on all nodes.
func serveGoogollee(n *node) (http.Handler, error) {
	server, err := googollee.NewServer(&googollee.Options{Cluster: n.cluster})
	if err != nil {
		return nil, err
	}
	chat, err := server.Authorize("/", n.verifier, n.options...)
	if err != nil {
		return nil, err
	}
	changed := make(chan struct{}, 1)
	change := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	chat.OnAuthenticated(func(c *googollee.Conn, s *socketio.Session) error {
		c.Join(userRoom(s.Token().Subject))
		change()
		return c.SetData(person{Name: s.User().(string), Node: "googollee"})
	})
	chat.OnDisconnect(func(*googollee.Conn, string) { change() })
	chat.OnEvent("message", func(c *googollee.Conn, text string) string {
		return n.said(c.Session().User().(string), text,
			func(m message) { chat.Broadcast("message", m) },
			func(room string) { _ = chat.To(room).Disconnect(true) })
	})
	chat.OnServerSideEmit("people", func(cluster.Payload) any { change(); return nil })

	ctx, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	tasks.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-changed:
				tell(ctx, chat)
			}
		}
	})
	n.nodes = func(ctx context.Context) (int, error) {
		answers, err := chat.ServerSideEmitWithAck(ctx, "who")
		return len(answers) + 1, err
	}
	n.end = func() error {
		cancel()
		tasks.Wait()
		return server.Close()
	}
	return server, nil
}

// tell sends everybody the names of those who are there.
func tell(ctx context.Context, chat *googollee.Namespace) {
	limited, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	sockets, err := chat.To().Sockets(limited)
	if err != nil && ctx.Err() == nil {
		log.Print("not all nodes say who is there: ", err)
	}
	names := []string{}
	for _, s := range sockets {
		var p person
		if json.Unmarshal(s.Data, &p) == nil && p.Name != "" {
			names = append(names, p.String())
		}
	}
	slices.Sort(names)
	chat.Broadcast("people", slices.Compact(names))
}
