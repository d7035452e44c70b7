//go:build unix

package engine

import "syscall"

const canWriteDirectly = true

// writeNow writes as much to a non-blocking socket as it takes.
func writeNow(fd uintptr, b []byte) (int, error) {
	for {
		n, err := syscall.Write(int(fd), b)
		switch err {
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, nil
		default:
			return max(n, 0), err
		}
	}
}
