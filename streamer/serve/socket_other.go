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
