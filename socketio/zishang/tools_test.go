package zishang

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"
)

func newRooms(names ...socket.Room) *types.Set[socket.Room] { return types.NewSet(names...) }

// get returns the body of an answer.
func get(web *httptest.Server, url string) (string, error) {
	response, err := web.Client().Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%w: %s", errClosedByServer, response.Status)
	}
	return string(body), err
}

// withOld returns options of a server that clients 2.x may come to.
func withOld() *socket.ServerOptions {
	options := socket.DefaultServerOptions()
	options.SetAllowEIO3(true)
	return options
}

// The engine's bounds.
const (
	maxIdle       = 1000
	maxRefusals   = 16
	maxNamespaces = 64
)

// eventually waits for a condition, which also describes how far it is.
func eventually(t *testing.T, condition func() (bool, string)) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(time.Millisecond) {
		holds, state := condition()
		if holds {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(state)
		}
	}
}
