package zishang

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/logtest"
)

// logged is a log that can be read while it is written.
type logged struct{ logtest.Buffer }

// about are the lines that name a namespace.
func (l *logged) about(namespace string) string {
	var lines []string
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, "namespace="+namespace) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// TestClusterLogs: the log tells what did not reach other nodes, and nothing else.
func TestClusterLogs(t *testing.T) {
	l, before := &logged{}, slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(l, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	const namespace = "/logged"
	ada, bob := newNodes(t, namespace, nil)
	_ = ada.nsp.Emit("news")
	ada.nsp.SocketsJoin("red")
	fetch(t, ada.nsp.Adapter(), nil)
	_ = ada.nsp.Emit("end")
	bob.hears()
	if got := l.about(namespace); got != "" {
		t.Errorf("nothing went wrong, and the log is %s", got)
	}
	_ = ada.cluster.Close()
	for want, do := range map[string]func(){
		"an event was not sent to other nodes": func() { _ = ada.nsp.Emit("news") },
		"other nodes were not told":            func() { ada.nsp.SocketsJoin("blue") },
		"a callback panicked": func() {
			ada.nsp.Adapter().FetchSockets(nil)(func([]socket.SocketDetails, error) { panic("a bug in the application") })
		},
	} {
		do()
		eventually(t, func() (bool, string) { return strings.Contains(l.about(namespace), want), "the log has no " + want })
	}
}

// asked is a node without sockets, which notes until when answers are expected.
type asked struct {
	cluster.Local
	until chan time.Time
}

func (a *asked) BroadcastWithAck(ctx context.Context, _ cluster.Payload, _ cluster.Target, _ func(cluster.Payload)) int {
	end, _ := ctx.Deadline()
	a.until <- end
	return 0
}

// TestClusterTimeout: the other nodes learn how long the application waits for answers.
func TestClusterTimeout(t *testing.T) {
	broker := cluster.NewMemory()
	var clusters [2]*cluster.Cluster
	for i := range clusters {
		c, err := cluster.New(broker, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		clusters[i] = c
	}
	other := &asked{until: make(chan time.Time, 1)}
	if _, err := clusters[1].Namespace("/", other); err != nil {
		t.Fatal(err)
	}
	n := newNode(t, clusters[0], "/")
	serveServer(t, n.io)
	for _, c := range clusters {
		if err := c.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	answered := make(chan error, 1)
	n.nsp.Timeout(10 * time.Minute).EmitWithAck("ask")(func(_ []any, err error) { answered <- err })
	if left := time.Until(<-other.until); left < 5*time.Minute {
		t.Errorf("answers are expected for %v", left)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
}
