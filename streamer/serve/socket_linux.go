package serve

import (
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// unackedMax is for how long a peer may leave bytes unacknowledged: one that has vanished is noticed by then.
const unackedMax = 60 * time.Second

// rawConn returns the means to write to a bare socket without blocking, nil for other connections.
func rawConn(nc net.Conn) syscall.RawConn {
	socket, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	// Without the option, dead peers are noticed later.
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unackedMax.Milliseconds()))
	})
	return raw
}

// readFD reads from a socket that does not block. It is the bare system call, which needs next to no stack.
func readFD(fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, _, err := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		if err != syscall.EINTR {
			return int(n), err
		}
	}
}
