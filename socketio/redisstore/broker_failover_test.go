package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster/clustertest"
	"github.com/seed15b1dee8/socketio-jwt/socketio/redisstore"
)

// TestBrokerSentinel runs the tests of every cluster.Broker on a master that a Sentinel
// names.
func TestBrokerSentinel(t *testing.T) {
	t.Parallel()
	s := startSentinels(t)
	clustertest.RunBroker(t, func(t *testing.T) cluster.Broker { return brokerOf(t, s.client(false)) })
}

// TestBrokerCluster runs the tests of every cluster.Broker on a Redis Cluster of three
// masters and three replicas.
func TestBrokerCluster(t *testing.T) {
	t.Parallel()
	_, newClient := startCluster(t, time.Minute) // on a busy machine no link between nodes may end
	clustertest.RunBroker(t, func(t *testing.T) cluster.Broker { return brokerOf(t, newClient()) })
	t.Run("every node delivers in order", func(t *testing.T) { clusterOrder(t, newClient) })
}

// clusterOrder: every link has every message, in order, whichever node it is connected to.
func clusterOrder(t *testing.T, newClient func() *redis.ClusterClient) {
	const messages, links = 1000, 6
	topic := cluster.Topic{Name: "cluster#", Prefix: true}
	var all []chan string
	for range links {
		heard := make(chan string, messages)
		link, err := brokerOf(t, newClient()).Open(t.Context(), func(_ cluster.Topic, m cluster.Message) { heard <- m.Channel + string(m.Data) })
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		if err := link.Subscribe(t.Context(), topic); err != nil {
			t.Fatal(err)
		}
		all = append(all, heard)
	}
	b := brokerOf(t, newClient())
	for i := range messages {
		if err := b.Publish(t.Context(), cluster.Message{Channel: "cluster#room", Data: fmt.Append(nil, i)}); err != nil {
			t.Fatal(err)
		}
	}
	for n, heard := range all {
		for i := range messages {
			select {
			case got := <-heard:
				if want := fmt.Sprint("cluster#room", i); got != want {
					t.Fatalf("link %d: got %s, expected %s", n, got, want)
				}
			case <-time.After(bound):
				t.Fatalf("link %d: message %d has not come", n, i)
			}
		}
	}
}

func brokerOf(t *testing.T, client redis.UniversalClient) cluster.Broker {
	t.Helper()
	t.Cleanup(func() { _ = client.Close() })
	b, err := redisstore.NewBroker(client)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBrokerFailover: when the master is lost the link ends, and one that is opened
// afterwards has the messages of the new master.
func TestBrokerFailover(t *testing.T) {
	t.Parallel()
	s := startSentinels(t)
	topic := cluster.Topic{Name: "failover"}
	listener, publisher := brokerOf(t, s.client(false)), brokerOf(t, s.client(false))
	heard := make(chan struct{}, 1000)
	var link cluster.Link
	defer func() {
		if link != nil {
			_ = link.Close()
		}
	}()
	deliver := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if link == nil || link.Err() != nil {
			var err error
			if link, err = listener.Open(ctx, func(cluster.Topic, cluster.Message) { heard <- struct{}{} }); err != nil {
				return err
			}
			if err := link.Subscribe(ctx, topic); err != nil {
				return err
			}
		}
		if err := publisher.Publish(ctx, cluster.Message{Channel: topic.Name, Data: []byte("x")}); err != nil {
			return err
		}
		select {
		case <-heard:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	within(t, bound, deliver)
	old := link
	s.master.Stop()
	within(t, 3*bound, func() error {
		select {
		case <-old.Done():
			return nil
		default:
			return errors.New("the link to the lost master is still there")
		}
	})
	within(t, 3*bound, deliver)
}
