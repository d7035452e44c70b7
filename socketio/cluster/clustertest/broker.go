// Package clustertest tests implementations of the interfaces of package cluster:
// anyone who writes a cluster.Broker for another message system calls [RunBroker]
// from a test.
package clustertest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
)

// patience is how long anything may take on a busy machine.
const patience = 30 * time.Second

// RunBroker tests a broker. open returns a broker that is connected to the same
// message system every time and that nothing else uses meanwhile; it is called
// several times in a test, as by several nodes, and cleans up by t.Cleanup.
func RunBroker(t *testing.T, open func(t *testing.T) cluster.Broker) {
	tests := map[string]func(*testing.T, func(*testing.T) cluster.Broker){
		"delivers to channels and prefixes":          testTopics,
		"delivers names with special characters":     testNames,
		"keeps the order":                            testOrder,
		"delivers any bytes":                         testBytes,
		"delivers once for each topic":               testOnce,
		"counts subscribers of exactly a channel":    testSubscribers,
		"delivers nothing after Unsubscribe":         testUnsubscribe,
		"calls nobody after Close":                   testClose,
		"returns the error of a context":             testContext,
		"calls receive for one message at a time":    testSerial,
		"publishes from many goroutines at once":     testConcurrent,
		"delivers to the node that published itself": testOwn,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, apart(open)) })
	}
}

func testTopics(t *testing.T, open func(*testing.T) cluster.Broker) {
	one, two, three := listen(t, open(t), channel, end), listen(t, open(t), prefix, end), listen(t, open(t), prefix, channel, end)
	a, b, c, d := message(channel.Name, "a"), message(prefix.Name, "b"), message(prefix.Name+"room#", "c"), message("conformance#/#other", "d")
	publish(t, open(t), message("conformance", "no"), message("conformance#/", "no"), message(channel.Name+"x", "no"), a, b, c, d,
		message("Conformance#/#", "no"), message(end.Name, ""))
	one.expect(received{channel, a})
	two.expect(received{prefix, b}, received{prefix, c}, received{prefix, d})
	three.expect(received{channel, a}, received{prefix, b}, received{prefix, c}, received{prefix, d})
}

func testNames(t *testing.T, open func(*testing.T) cluster.Broker) {
	b := open(t)
	star, letters := cluster.Topic{Name: "a*?[b-c]\\^#", Prefix: true}, cluster.Topic{Name: "ä 日本 .>#{x}", Prefix: false}
	r := listen(t, b, star, letters, end)
	m, n := message(star.Name+"x*", "1"), message(letters.Name, "2")
	publish(t, b, message("axyb\\^#", "no"), m, n, message("a#", "no"), message(end.Name, ""))
	r.expect(received{star, m}, received{letters, n})
}

func testOrder(t *testing.T, open func(*testing.T) cluster.Broker) {
	b := open(t)
	r := listen(t, open(t), channel, prefix, end)
	var want []received
	var batch []cluster.Message
	for i := range 2000 {
		topic := channel
		if i%3 == 0 {
			topic = prefix
		}
		m := message(topic.Name, fmt.Sprint(i))
		want = append(want, received{topic, m})
		if batch = append(batch, m); len(batch) > i%17 {
			publish(t, b, batch...)
			batch = nil
		}
	}
	publish(t, b, append(batch, message(end.Name, ""))...)
	r.expect(want...)
}

func testBytes(t *testing.T, open func(*testing.T) cluster.Broker) {
	b := open(t)
	r := listen(t, b, channel, end)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	large := bytes.Repeat([]byte("\x00\xff\r\n"), 1<<19)
	var want []received
	for _, data := range [][]byte{{}, all, []byte("\r\n"), large} {
		m := cluster.Message{Channel: channel.Name, Data: data}
		publish(t, b, m)
		want = append(want, received{channel, m})
	}
	publish(t, b, message(end.Name, ""))
	r.expect(want...)
}

func testOnce(t *testing.T, open func(*testing.T) cluster.Broker) {
	b := open(t)
	exact := cluster.Topic{Name: prefix.Name + "room#"}
	r := listen(t, b, exact, prefix, end)
	if err := r.link.Subscribe(context30(t), exact, prefix); err != nil { // again
		t.Fatal(err)
	}
	publish(t, b, message(exact.Name, "x"), message(end.Name, ""))
	counts := make(map[cluster.Topic]int)
	for _, m := range r.until(end.Name) {
		counts[m.topic]++
	}
	if len(counts) != 2 || counts[exact] != 1 || counts[prefix] != 1 {
		t.Errorf("a message of two topics was delivered %v, expected once for each", counts)
	}
}

func testSubscribers(t *testing.T, open func(*testing.T) cluster.Broker) {
	b := open(t)
	count := func(want int) {
		t.Helper()
		for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			n, err := b.Subscribers(context30(t), channel.Name)
			if err != nil {
				t.Fatal(err)
			}
			if n == want {
				return
			}
			if time.Since(begin) > patience {
				t.Fatalf("%d subscribers, expected %d", n, want)
			}
		}
	}
	count(0)
	one := listen(t, b, channel)
	count(1)
	two := listen(t, open(t), channel)
	listen(t, open(t), cluster.Topic{Name: channel.Name, Prefix: true})
	count(2)
	if err := one.link.Unsubscribe(context30(t), channel); err != nil {
		t.Fatal(err)
	}
	count(1)
	_ = two.link.Close()
	count(0)
}

func testUnsubscribe(t *testing.T, open func(*testing.T) cluster.Broker) {
	b := open(t)
	passed := cluster.Topic{Name: "conformance-passed#"}
	r := listen(t, b, channel, prefix, passed, end)
	if err := r.link.Unsubscribe(context30(t), channel, prefix); err != nil {
		t.Fatal(err)
	}
	last := message(passed.Name, "")
	publish(t, b, message(channel.Name, "no"), message(prefix.Name, "no"), last)
	// What was published before Subscribe may arrive after it, so wait until it has passed.
	if got := r.until(passed.Name); len(got) > 0 {
		t.Errorf("after Unsubscribe: got %s", show(got))
	}
	if err := r.link.Subscribe(context30(t), prefix); err != nil {
		t.Fatal(err)
	}
	m := message(prefix.Name, "yes")
	publish(t, b, m, message(channel.Name, "no"), message(end.Name, ""))
	r.expect(received{passed, last}, received{prefix, m})
}

func testClose(t *testing.T, open func(*testing.T) cluster.Broker) {
	b := open(t)
	var mu sync.Mutex
	closed, late := false, 0
	link, err := b.Open(context30(t), func(cluster.Topic, cluster.Message) {
		mu.Lock()
		defer mu.Unlock()
		if closed {
			late++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := link.Subscribe(context30(t), channel); err != nil {
		t.Fatal(err)
	}
	select {
	case <-link.Done():
		t.Fatalf("the link has ended: %v", link.Err())
	default:
	}
	if err := link.Err(); err != nil {
		t.Errorf("the error of a link that lives is %v", err)
	}
	for range 100 {
		publish(t, b, message(channel.Name, "x"))
	}
	if err := link.Close(); err != nil {
		t.Error(err)
	}
	mu.Lock()
	closed = true
	mu.Unlock()
	<-link.Done()
	if link.Err() == nil {
		t.Error("a link that is closed has no error")
	}
	other := listen(t, b, end)
	publish(t, b, message(channel.Name, "x"), message(end.Name, ""))
	other.expect()
	mu.Lock()
	defer mu.Unlock()
	if late > 0 {
		t.Errorf("%d messages were delivered after Close", late)
	}
	if err := link.Subscribe(context30(t), channel); err == nil {
		t.Error("a link that is closed subscribes")
	}
}

func testContext(t *testing.T, open func(*testing.T) cluster.Broker) {
	b := open(t)
	r := listen(t, b, channel, end)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.Publish(ctx, message(channel.Name, "no")); err == nil {
		t.Error("Publish has no error of a context that has ended")
	}
	if _, err := b.Subscribers(ctx, channel.Name); err == nil {
		t.Error("Subscribers has no error of a context that has ended")
	}
	if link, err := b.Open(ctx, func(cluster.Topic, cluster.Message) {}); err == nil {
		_ = link.Close()
		t.Error("Open has no error of a context that has ended")
	}
	publish(t, b, message(end.Name, ""))
	r.expect()
}

func testSerial(t *testing.T, open func(*testing.T) cluster.Broker) {
	b := open(t)
	var mu sync.Mutex
	done := make(chan struct{})
	n := 0
	link, err := b.Open(context30(t), func(cluster.Topic, cluster.Message) {
		if !mu.TryLock() {
			t.Error("receive runs twice at once")
			return
		}
		defer mu.Unlock()
		time.Sleep(time.Millisecond)
		if n++; n == 40 {
			close(done)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	if err := link.Subscribe(context30(t), channel, prefix); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		publish(t, b, message(channel.Name, "x"), message(prefix.Name, "x"))
	}
	select {
	case <-done:
	case <-time.After(patience):
		t.Error("not all messages were delivered")
	}
}

func testConcurrent(t *testing.T, open func(*testing.T) cluster.Broker) {
	b := open(t)
	r := listen(t, open(t), channel, end)
	var tasks sync.WaitGroup
	for i := range 8 {
		tasks.Go(func() {
			for j := range 50 {
				if err := b.Publish(context30(t), message(channel.Name, fmt.Sprint(i, " ", j))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	tasks.Wait()
	publish(t, b, message(end.Name, ""))
	next := make(map[int]int)
	got := r.until(end.Name)
	for _, m := range got {
		var i, j int
		if _, err := fmt.Sscan(string(m.message.Data), &i, &j); err != nil || next[i] != j {
			t.Fatalf("a message of goroutine %d is %q, expected number %d: %v", i, m.message.Data, next[i], err)
		}
		next[i]++
	}
	if len(got) != 400 {
		t.Errorf("%d messages, expected 400", len(got))
	}
}

func testOwn(t *testing.T, open func(*testing.T) cluster.Broker) {
	b := open(t)
	r := listen(t, b, channel, end)
	m := message(channel.Name, "own")
	publish(t, b, m, message(end.Name, ""))
	r.expect(received{channel, m})
}
