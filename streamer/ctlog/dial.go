package ctlog

import (
	"fmt"
	"net/netip"
	"net/url"
	"syscall"
)

// addressPolicy says which addresses may be dialled. It is asked after the name has been resolved, so that no name can lead to
// an address that is not allowed.
type addressPolicy struct {
	allowPrivate bool
}

// private are the ranges that AllowPrivate admits.
var private = prefixes("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "100.64.0.0/10")

// never are ranges that no log is at: link-local ones with the metadata services of clouds first of all.
var never = prefixes("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "0.0.0.0/8", "::/128", "224.0.0.0/4", "ff00::/8", "240.0.0.0/4",
	"192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "100::/64", "2001:db8::/32", "fec0::/10")

// embedded are ranges whose addresses hold an IPv4 address, at the byte given: NAT64 and 6to4.
var embedded = map[netip.Prefix]int{netip.MustParsePrefix("64:ff9b::/96"): 12, netip.MustParsePrefix("2002::/16"): 2}

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

func within(a netip.Addr, list []netip.Prefix) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// check tells whether an address may be dialled.
func (p addressPolicy) check(a netip.Addr) error {
	a = a.Unmap().WithZone("")
	for prefix, at := range embedded {
		if prefix.Contains(a) {
			b := a.As16()
			return p.check(netip.AddrFrom4([4]byte(b[at : at+4])))
		}
	}
	switch {
	case !a.IsValid() || within(a, never):
		return fmt.Errorf("%w: %s is link-local or reserved", errRefused, a)
	case !p.allowPrivate && within(a, private):
		return fmt.Errorf("%w: %s is loopback or private (allow_private_addresses admits those)", errRefused, a)
	}
	return nil
}

// control is a net.Dialer's Control.
func (p addressPolicy) control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", errRefused, address)
	}
	return p.check(at.Addr())
}

// checkHost checks a URL whose host is an address: through a proxy, nothing else would.
func (p addressPolicy) checkHost(u *url.URL) error {
	a, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return nil // a name
	}
	return p.check(a)
}
