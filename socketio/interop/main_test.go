// Package interop drives the bindings with the real JavaScript clients and
// compares what the clients see with the contract of socketio-jwt.
package interop

import (
	"flag"
	"os"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
)

func TestMain(m *testing.M) {
	// Many rows wait for the end of a token or a deadline: more of them at once
	// than there are processors. A -parallel on the command line counts more.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(jsclient.Main(m))
}
