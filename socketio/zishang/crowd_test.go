package zishang

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// TestOneConnectionIsNotACrowd: anyone who asks for many dynamic namespaces at
// once does not crowd out those who wait to authenticate.
func TestOneConnectionIsNotACrowd(t *testing.T) {
	web := serve(t, nil, func(io *Server) {
		guard(t, io, regexp.MustCompile(`^/tenant-\d+$`), byName(),
			socketio.ByEvent(), socketio.Timeout(time.Minute), socketio.MaxPending(maxNamespaces+1))
	})
	honest := dial(t, web)
	honest.send("40/tenant-0,")
	honest.connected("/tenant-0")

	c := dial(t, web)
	var all []string
	for i := range maxNamespaces {
		all = append(all, fmt.Sprintf("40/tenant-%d,", i))
	}
	c.send(all...)
	for range maxNamespaces { // in any order: each is decided by itself
		if got := c.next(); !strings.HasPrefix(got, "40/tenant-") {
			t.Fatalf("got %s", got)
		}
	}
	c.send("40/tenant-1000,")
	got := c.next()
	if !strings.HasPrefix(got, "44/tenant-1000,") || !strings.Contains(got, `Too many namespaces`) {
		t.Fatalf("got %s", got)
	}

	honest.send(`42/tenant-0,["authenticate",{"token":"alice"}]`)
	honest.expect(`42/tenant-0,["authenticated"]`)

	// What was left makes room, and is not kept.
	c.send("41/tenant-0,")
	for range maxRefusals { // as soon as the library has forgotten it
		c.send("40/tenant-1000,")
		if got = c.next(); !strings.HasPrefix(got, "44") {
			break
		}
	}
	if !strings.HasPrefix(got, "40/tenant-1000,") {
		t.Fatalf("got %s", got)
	}

	var more []string
	for i := range 200 {
		more = append(more, fmt.Sprintf("40/tenant-%d,", 2000+i))
	}
	_ = c.post(more...)
	for {
		packet, err := c.poll()
		if err != nil {
			if !errors.Is(err, errClosedByServer) {
				t.Error(err)
			}
			return
		}
		if !strings.HasPrefix(packet, "44/tenant-2") && !strings.HasPrefix(packet, "41/tenant-") { // the end
			t.Errorf("got %s", packet)
		}
	}
}
