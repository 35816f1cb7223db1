package access

import (
	"fmt"
	"net/netip"
	"strings"
)

// maxHops bounds how much of X-Forwarded-For is looked at.
const maxHops = 32

// clientAddress is the address of the client itself: the peer's, or, where that is a trusted proxy, the right-most address in
// X-Forwarded-For that is none. What cannot be read ends the search: nothing to its left was written by somebody trusted.
func clientAddress(peer netip.Addr, forwarded []string, trusted []netip.Prefix) netip.Addr {
	address := peer.Unmap()
	for hops := 0; hops < maxHops && isTrusted(address, trusted); hops++ {
		var hop string
		if hop, forwarded = lastHop(forwarded); hop == "" {
			return address
		}
		next, err := parseHop(hop)
		if err != nil {
			return address
		}
		address = next
	}
	return address
}

func isTrusted(address netip.Addr, trusted []netip.Prefix) bool {
	for _, prefix := range trusted {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}

// lastHop takes the last element off a list of header lines. The lines themselves are not changed.
func lastHop(lines []string) (hop string, rest []string) {
	if len(lines) == 0 {
		return "", nil
	}
	last := lines[len(lines)-1]
	before, after, found := cutLast(last, ',')
	if !found {
		return strings.TrimSpace(last), lines[:len(lines)-1]
	}
	return strings.TrimSpace(after), append(lines[:len(lines)-1:len(lines)-1], before)
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// parseHop reads an address with or without port, as proxies write them.
func parseHop(hop string) (netip.Addr, error) {
	if len(hop) > 64 {
		return netip.Addr{}, fmt.Errorf("an address of %d bytes", len(hop))
	}
	if address, err := netip.ParseAddr(strings.Trim(hop, "[]")); err == nil {
		return address.WithZone("").Unmap(), nil
	}
	withPort, err := netip.ParseAddrPort(hop)
	return withPort.Addr().WithZone("").Unmap(), err
}

// ParsePrefixes reads trusted proxies: addresses and networks in CIDR form.
func ParsePrefixes(texts []string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, text := range texts {
		if address, err := netip.ParseAddr(text); err == nil {
			address = address.Unmap()
			list = append(list, netip.PrefixFrom(address, address.BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a network; give 10.0.0.0/8 or 192.0.2.1", text)
		}
		if prefix.Addr().Is4In6() && prefix.Bits() >= 96 {
			prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
		}
		list = append(list, prefix.Masked())
	}
	return list, nil
}

// limitKey is what limits count by: an IPv4 address, or the /64 of an IPv6 address, which one customer has whole.
func limitKey(address netip.Addr) netip.Addr {
	address = address.Unmap().WithZone("")
	if !address.Is6() {
		return address
	}
	prefix, err := address.Prefix(64)
	if err != nil { // not for a valid address and 64 bits
		return address
	}
	return prefix.Addr()
}
