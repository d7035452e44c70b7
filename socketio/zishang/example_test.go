package zishang_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// A server that accepts clients that have a token signed with the secret. What
// a client without one is told is shown in the protocol's own words.
func Example() {
	key, err := verifier.NewKey([]byte("a secret of at least thirty-two bytes"), verifier.KeyOptions{})
	if err != nil {
		log.Fatal(err)
	}
	v, err := verifier.New(verifier.KeyProviderFunc(
		func(context.Context, *verifier.UnverifiedToken) ([]*verifier.Key, error) {
			return []*verifier.Key{key}, nil
		},
	))
	if err != nil {
		log.Fatal(err)
	}
	server := zishang.NewServer(nil)
	chat, err := server.Authorize("/", v)
	if err != nil {
		log.Fatal(err)
	}
	_ = chat.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		fmt.Println("hello!", zishang.SessionOf(s).Token().Subject)
	})
	web := httptest.NewServer(server)
	defer web.Close()
	defer server.Close()

	url := web.URL + "/socket.io/?EIO=4&transport=polling"
	open := get(url)
	sid, _, _ := strings.Cut(strings.TrimPrefix(open[strings.Index(open, `"sid":`):], `"sid":"`), `"`)
	url += "&sid=" + sid
	response, err := http.Post(url, "text/plain", strings.NewReader(`40{"token":"alice"}`))
	if err != nil {
		log.Fatal(err)
	}
	response.Body.Close()
	answer, _, _ := strings.Cut(get(url), "\x1e") // the first packet
	fmt.Println(answer)
	if response, err = http.Post(url, "text/plain", strings.NewReader("1")); err != nil { // the client leaves
		log.Fatal(err)
	}
	response.Body.Close()
	// Output:
	// 44{"message":"jwt malformed","data":{"message":"jwt malformed","code":"invalid_token","type":"UnauthorizedError","reason":"token_malformed","retryable":false}}
}

func get(url string) string {
	response, err := http.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	return string(text)
}
