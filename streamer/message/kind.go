// Package message turns records into the JSON that clients get, as the message contract has it: by appending to a buffer, with
// no reflection and no allocation per message.
package message

import "fmt"

// Kind is a stream kind.
type Kind uint8

// The stream kinds.
const (
	// Full has everything: the leaf with its DER, and its chain.
	Full Kind = iota
	// Lite is Full without as_der and chain.
	Lite
	// Domains has the names only.
	Domains
	// Kinds is their number.
	Kinds = 3
)

var kindNames = [Kinds]string{"full", "lite", "domains-only"}

// String is the kind's name in configuration, metrics and URLs.
func (k Kind) String() string {
	if k >= Kinds {
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// ParseKind reads the value of a `stream` query parameter.
func ParseKind(s string) (Kind, error) {
	switch s {
	case "full":
		return Full, nil
	case "lite":
		return Lite, nil
	case "domains", "domains-only":
		return Domains, nil
	}
	return 0, fmt.Errorf("stream %.40q: want full, lite or domains-only", s)
}
