package zishang

import (
	"testing"

	"go.uber.org/goleak"
)

// The library waits up to 30 s for the last poll of a connection that it closes
// (servers/engine/v3@v3.0.6 transports/polling.go, DoClose), in a goroutine that
// is left behind if the server is closed meanwhile. It is the library's timer;
// this package has none of that kind.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}
