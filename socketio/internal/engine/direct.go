package engine

import (
	"net"
	"sync"
	"syscall"
)

// directWriter writes to a connection without waiting. The zero directWriter writes nothing.
type directWriter struct{ raw syscall.RawConn }

// newDirectWriter makes one for a connection of the operating system's. Any other, such as
// that of TLS, encodes what is written.
func newDirectWriter(conn net.Conn) directWriter {
	var raw syscall.RawConn
	switch c := conn.(type) {
	case *net.TCPConn:
		raw, _ = c.SyscallConn()
	case *net.UnixConn:
		raw, _ = c.SyscallConn()
	}
	return directWriter{raw}
}

// able reports whether there is something to be won.
func (w directWriter) able() bool { return canWriteDirectly && w.raw != nil }

// write writes as much as the connection takes at once. The error is of the connection.
func (w directWriter) write(b []byte) (int, error) {
	if !w.able() {
		return 0, nil
	}
	a := attempts.Get().(*directAttempt)
	a.b = b
	err := w.raw.Write(a.call)
	n := a.n
	if err == nil {
		err = a.err
	}
	a.b, a.n, a.err = nil, 0, nil
	attempts.Put(a)
	return n, err
}

// directAttempt is one write. call is its method run, which would be allocated each time.
type directAttempt struct {
	b    []byte
	n    int
	err  error
	call func(fd uintptr) bool
}

var attempts = sync.Pool{New: func() any {
	a := new(directAttempt)
	a.call = a.run
	return a
}}

func (a *directAttempt) run(fd uintptr) bool {
	a.n, a.err = writeNow(fd, a.b)
	return true // never wait
}
