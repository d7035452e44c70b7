package bindingtest_test

import (
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio/bindingtest"
)

// The client of a server that serves Socket.IO over HTTP, in a test of a binding.
func ExampleDial() {
	_ = func(t *testing.T, url, token string) {
		client := bindingtest.Dial(t, url, token)
		if e, err := client.Next(); err != nil || e.Name != "connect" {
			t.Errorf("heard %q, %v", e.Name, err)
		}
		client.Leave()
	}
}
