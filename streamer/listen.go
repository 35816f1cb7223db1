package streamer

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/certstream-operator/certstream-operator/streamer/config"
	"github.com/certstream-operator/certstream-operator/streamer/serve"
)

// listeners are the bound ports. tcp and admin are nil when they are off.
type listeners struct {
	http, tcp, admin net.Listener
}

// listen binds all ports.
func (s *Streamer) listen(c *config.Config) error {
	bind := func(to *net.Listener, setting, address string, public bool) error {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return &PortError{setting, address, err}
		}
		if public {
			l = serve.Guard(l, s.tls != nil)
		}
		if public && s.tls != nil {
			l = tls.NewListener(l, s.tls.Config())
		}
		*to = l
		return nil
	}
	if err := bind(&s.listeners.http, "port", hostPort(c.Host, c.Port), true); err != nil {
		return err
	}
	if c.Protocols.TCP {
		if err := bind(&s.listeners.tcp, "protocols.tcp_port", hostPort(c.Host, c.Protocols.TCPPort), true); err != nil {
			return err
		}
	}
	if c.Admin.Enabled {
		return bind(&s.listeners.admin, "admin.address", c.Admin.Address, false)
	}
	return nil
}

func hostPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// PortError says why a port cannot be listened on.
type PortError struct {
	// Setting is the one that would change it, Address what it says now.
	Setting, Address string
	Err              error
}

// Error says which setting to change.
func (e *PortError) Error() string {
	switch {
	case errors.Is(e.Err, syscall.EADDRINUSE):
		return fmt.Sprintf("%s is in use by another program: stop it, or set %s to a free port", e.Address, e.Setting)
	case errors.Is(e.Err, syscall.EACCES):
		return fmt.Sprintf("%s needs privileges: set %s to a port above 1023", e.Address, e.Setting)
	}
	return fmt.Sprintf("listening on %s (%s): %v", e.Address, e.Setting, e.Err)
}

// Unwrap gives the cause.
func (e *PortError) Unwrap() error { return e.Err }

func (l *listeners) close() error {
	var errs []error
	for _, one := range []net.Listener{l.http, l.tcp, l.admin} {
		if one == nil {
			continue
		}
		if err := one.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
