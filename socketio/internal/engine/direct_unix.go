//go:build unix && !aix

package engine

import "syscall"

const canWriteDirectly = true

// writeNow writes as much to a socket as it takes. The application may have made the socket
// one that blocks: (*net.TCPConn).File and its Fd do.
func writeNow(fd uintptr, b []byte) (int, error) {
	for {
		n, err := syscall.SendmsgN(int(fd), b, nil, nil, syscall.MSG_DONTWAIT)
		switch err {
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, nil
		default:
			return max(n, 0), err
		}
	}
}
