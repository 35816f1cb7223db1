//go:build !linux

package serve

import (
	"net"
	"syscall"
)

// rawConn returns the means to write to a bare socket without blocking, nil for other connections.
func rawConn(nc net.Conn) syscall.RawConn {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// readFD reads from a socket that does not block.
func readFD(fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, err := syscall.Read(int(fd), p)
		if err == nil {
			return n, 0
		}
		if e, ok := err.(syscall.Errno); !ok || e != syscall.EINTR {
			return 0, e
		}
	}
}
