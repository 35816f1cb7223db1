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
			return portError(setting, address, err)
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

// portError says which setting to change.
func portError(setting, address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s is in use by another program: stop it, or set %s to a free port", address, setting)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s needs privileges: set %s to a port above 1023", address, setting)
	}
	return fmt.Errorf("listening on %s (%s): %w", address, setting, err)
}

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
