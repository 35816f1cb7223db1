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

// unsentMax is how many bytes may wait in the system for a peer to have room for them. Else it would take megabytes for each client
// that never reads, which cost time to copy and memory to keep. What is on its way to a distant peer does not count.
const unsentMax = 512 << 10

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
	// Without the options, dead peers are noticed later, and slow ones take more memory.
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unackedMax.Milliseconds()))
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentMax)
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
