package redisstore_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/leaktest"
)

// TestMain is also the main function of the server processes: see startNode.
func TestMain(m *testing.M) {
	if address := os.Getenv("REDISSTORE_NODE"); address != "" {
		if err := node(address); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if address := os.Getenv("REDISSTORE_PRESENCE"); address != "" {
		if err := presenceNode(address); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	_ = flag.Set("test.parallel", "16") // these tests wait rather than compute
	code := m.Run()
	if code == 0 {
		if err := leaktest.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
