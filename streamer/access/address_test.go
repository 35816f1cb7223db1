package access

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func prefixes(t *testing.T, texts ...string) []netip.Prefix {
	t.Helper()
	list, err := ParsePrefixes(texts)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestClientAddress(t *testing.T) {
	trusted := prefixes(t, "10.0.0.0/8", "fd00::/8", "192.0.2.1")
	for _, test := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"no proxy", "203.0.113.7", []string{"1.2.3.4"}, "203.0.113.7"},
		{"one proxy", "10.0.0.1", []string{"203.0.113.7"}, "203.0.113.7"},
		{"as IPv6", "::ffff:10.0.0.1", []string{"::ffff:203.0.113.7"}, "203.0.113.7"},
		{"two proxies", "10.0.0.1", []string{"203.0.113.7, 192.0.2.1"}, "203.0.113.7"},
		{"what the client wrote", "10.0.0.1", []string{"1.1.1.1, 203.0.113.7"}, "203.0.113.7"},
		{"several lines", "10.0.0.1", []string{"1.1.1.1, 203.0.113.7", "192.0.2.1,10.1.1.1"}, "203.0.113.7"},
		{"with port", "10.0.0.1", []string{"203.0.113.7:4711"}, "203.0.113.7"},
		{"IPv6 with port", "fd00::1", []string{"[2001:db8::7]:4711"}, "2001:db8::7"},
		{"IPv6 in brackets", "fd00::1", []string{"[2001:db8::7]"}, "2001:db8::7"},
		{"IPv6 with zone", "fd00::1", []string{"fe80::1%eth0"}, "fe80::1"},
		{"all trusted", "10.0.0.1", []string{"10.2.2.2, 10.1.1.1"}, "10.2.2.2"},
		{"none", "10.0.0.1", nil, "10.0.0.1"},
		{"empty", "10.0.0.1", []string{""}, "10.0.0.1"},
		{"unknown", "10.0.0.1", []string{"203.0.113.7, unknown"}, "10.0.0.1"},
		{"garbage behind a proxy", "10.0.0.1", []string{"203.0.113.7, <script>, 10.1.1.1"}, "10.1.1.1"},
		{"huge", "10.0.0.1", []string{strings.Repeat("9", 1<<16)}, "10.0.0.1"},
		{"many hops", "10.0.0.1", []string{"203.0.113.7" + strings.Repeat(",10.0.0.1", 1000)}, "10.0.0.1"},
	} {
		if got := clientAddress(netip.MustParseAddr(test.peer), test.forwarded, trusted); got.String() != test.want {
			t.Errorf("%s: %v, want %s", test.name, got, test.want)
		}
	}
}

func TestLimitKey(t *testing.T) {
	for _, test := range []struct{ address, want string }{
		{"203.0.113.7", "203.0.113.7"},
		{"::ffff:203.0.113.7", "203.0.113.7"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
		{"fe80::1%eth0", "fe80::"},
	} {
		if got := limitKey(netip.MustParseAddr(test.address)); got.String() != test.want {
			t.Errorf("%s counts as %v, want %s", test.address, got, test.want)
		}
	}
	if limitKey(netip.Addr{}).IsValid() {
		t.Error("no address has become one")
	}
}

func TestParsePrefixes(t *testing.T) {
	got := fmt.Sprint(prefixes(t, "10.1.2.3/8", "192.0.2.1", "::ffff:10.0.0.0/104", "::ffff:192.0.2.1", "2001:db8::1/32"))
	if want := "[10.0.0.0/8 192.0.2.1/32 10.0.0.0/8 192.0.2.1/32 2001:db8::/32]"; got != want {
		t.Errorf("read %s, want %s", got, want)
	}
}

func TestParsePrefixesSaysWhatIsWrong(t *testing.T) {
	_, err := ParsePrefixes([]string{"10.0.0.0/8", "loadbalancer"})
	if err == nil || !strings.Contains(err.Error(), `"loadbalancer"`) {
		t.Errorf("error %v, want one that shows the value", err)
	}
}

func FuzzClientAddress(f *testing.F) {
	for _, seed := range []string{
		"203.0.113.7, 10.0.0.1", "[::1]:80", ",,,", "unknown", "10.0.0.1,10.0.0.1", "::ffff:10.0.0.1", "%", "[", "1.2.3.4:",
	} {
		f.Add(seed, seed)
	}
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, first, second string) {
		peer := netip.MustParseAddr("10.9.9.9")
		lines := []string{first, second}
		got := clientAddress(peer, lines, trusted)
		if !got.IsValid() || lines[0] != first || lines[1] != second {
			t.Errorf("%q: %v, lines now %q", []string{first, second}, got, lines)
		}
		if got := clientAddress(netip.MustParseAddr("192.0.2.9"), lines, trusted); got.String() != "192.0.2.9" {
			t.Errorf("an untrusted peer passes for %v", got)
		}
		limitKey(got)
	})
}
