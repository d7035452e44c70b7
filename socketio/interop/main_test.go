// Package interop drives the bindings with the real JavaScript clients and
// compares what the clients see with the contract of socketio-jwt.
package interop

import (
	"os"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
)

func TestMain(m *testing.M) {
	os.Exit(jsclient.Main(m))
}
