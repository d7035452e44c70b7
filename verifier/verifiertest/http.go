package verifiertest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

var discard = log.New(io.Discard, "", 0)

// ServeHTTP publishes the key set and the metadata, as the current fault lets
// it.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	n := len(i.requests)
	i.requests = append(i.requests, Request{Path: r.URL.Path, Header: r.Header.Clone()})
	fault, header := i.fault, i.header
	i.mu.Unlock()

	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(i.open, cancel)()
	recorder := &statusRecorder{ResponseWriter: w, record: func(status int) {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.requests[n].Status = status
	}}
	for name, values := range header {
		w.Header()[name] = values
	}
	if fault == nil {
		i.answer(recorder, r)
		return
	}
	fault(recorder, r.WithContext(ctx), i.answer)
}

// answer is the right answer.
func (i *Issuer) answer(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimSuffix(i.url.Path, "/")
	var document any
	switch r.URL.Path {
	case path + jwksPath:
		document = i.keySet()
	case path + "/.well-known/openid-configuration", // OpenID Connect Discovery §4
		"/.well-known/oauth-authorization-server" + path: // RFC 8414 §3.1
		document = i.document()
	default:
		http.NotFound(w, r)
		return
	}
	body := must(json.Marshal(document))
	sum := sha256.Sum256(body)
	etag := `"` + b64(sum[:12]) + `"`
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Write(body)
}

// statusRecorder records the status that is answered.
type statusRecorder struct {
	http.ResponseWriter
	record func(int)
	once   sync.Once
}

func (s *statusRecorder) WriteHeader(status int) {
	s.once.Do(func() { s.record(status) })
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusRecorder) Write(p []byte) (int, error) {
	s.once.Do(func() { s.record(http.StatusOK) })
	return s.ResponseWriter.Write(p)
}

// Unwrap is for [http.ResponseController].
func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// Client returns an HTTP client that reaches the issuer. In memory it reaches
// this one, and none else.
func (i *Issuer) Client() *http.Client {
	if i.server != nil {
		return i.server.Client()
	}
	return Client(i)
}

// Client returns an HTTP client that reaches the issuers, which are in memory,
// by their scheme and host; any other host does not exist.
func Client(issuers ...*Issuer) *http.Client {
	return &http.Client{Transport: memory(issuers)}
}

// memory is an [http.RoundTripper] without a network. It waits on nothing but
// channels, so that a virtual clock moves while an answer is outstanding.
type memory []*Issuer

func (m memory) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	// Of the issuers of one host, the path belongs to the one whose own path is
	// in it: the longest, since "/" is in all.
	var found *Issuer
	for _, i := range m {
		own := strings.TrimSuffix(i.url.Path, "/") + "/"
		if i.url.Scheme == r.URL.Scheme && i.url.Host == r.URL.Host && strings.Contains(r.URL.Path+"/", own) &&
			(found == nil || len(own) > len(found.url.Path)) {
			found = i
		}
	}
	if found != nil {
		return found.roundTrip(r)
	}
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: r.URL.Hostname(), IsNotFound: true}}
}

func (i *Issuer) roundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	body, out := io.Pipe()
	w := &memoryWriter{header: http.Header{}, body: out, begun: make(chan struct{})}
	request := r.Clone(ctx)
	request.RemoteAddr = "192.0.2.1:1234"
	request.RequestURI = r.URL.RequestURI()
	stop := context.AfterFunc(r.Context(), func() { out.CloseWithError(context.Cause(r.Context())) })
	go func() {
		defer cancel(nil)
		defer stop()
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler {
				panic(p)
			} else if p != nil {
				// A client that has given up sees its own reason, not the outcome.
				w.abort(cmp.Or(context.Cause(r.Context()), io.ErrUnexpectedEOF))
				return
			}
			w.WriteHeader(http.StatusOK)
			out.Close()
		}()
		i.ServeHTTP(w, request)
	}()
	select {
	case <-w.begun:
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
	if err := context.Cause(r.Context()); err != nil {
		return nil, err
	}
	if w.status == 0 {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	return &http.Response{
		Status: strconv.Itoa(w.status) + " " + http.StatusText(w.status), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: memoryBody{body, cancel}, ContentLength: -1, Request: r,
	}, nil
}

// memoryBody tells the handler when the client stops reading.
type memoryBody struct {
	*io.PipeReader
	cancel context.CancelCauseFunc
}

func (b memoryBody) Close() error {
	b.cancel(errors.New("the client closed the body"))
	return b.PipeReader.Close()
}

// memoryWriter is the [http.ResponseWriter] of an answer in memory. Status and
// sent are written before begun is closed, and not after.
type memoryWriter struct {
	header http.Header
	body   *io.PipeWriter
	begun  chan struct{}
	status int
	sent   http.Header
	ended  bool
}

func (w *memoryWriter) Header() http.Header { return w.header }

func (w *memoryWriter) WriteHeader(status int) {
	if !w.ended {
		w.ended, w.status, w.sent = true, status, w.header.Clone()
		close(w.begun)
	}
}

func (w *memoryWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// Flush does nothing: what is written is there at once.
func (w *memoryWriter) Flush() {}

// abort cuts the connection.
func (w *memoryWriter) abort(err error) {
	if !w.ended {
		w.ended = true
		close(w.begun)
	}
	w.body.CloseWithError(err)
}
