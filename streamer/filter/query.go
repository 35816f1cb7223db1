package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Values are the values of one parameter. In JSON they are a string or a list of strings.
type Values []string

// UnmarshalJSON accepts a string, a list of strings, or null.
func (v *Values) UnmarshalJSON(data []byte) error {
	var one string
	if len(data) > 0 && data[0] == '"' {
		if err := json.Unmarshal(data, &one); err != nil {
			return err
		}
		*v = Values{one}
		return nil
	}
	var list []string
	if err := json.Unmarshal(data, &list); err != nil {
		return errors.New("want a string or a list of strings")
	}
	*v = list
	return nil
}

// Switch is the value of a parameter that is on, off, or not given.
type Switch uint8

// The values of a Switch.
const (
	Unset Switch = iota
	Off
	On
)

// ParseSwitch reads 1, 0, true or false; nothing is Unset.
func ParseSwitch(text string) (Switch, error) {
	switch strings.ToLower(text) {
	case "":
		return Unset, nil
	case "1", "true":
		return On, nil
	case "0", "false":
		return Off, nil
	}
	return Unset, fmt.Errorf("is %.20q; give 1 or 0", text)
}

// UnmarshalJSON accepts 1, 0, true, false, these as strings, or null.
func (s *Switch) UnmarshalJSON(data []byte) (err error) {
	text := string(bytes.Trim(data, `"`))
	if text == "null" {
		text = ""
	}
	if *s, err = ParseSwitch(text); err != nil {
		err = &Error{"dedup", err.Error()}
	}
	return err
}

// Query is a filter as a client writes it. It may be embedded in a larger JSON object. Within a field any value matches; Suffix
// is a field of its own.
type Query struct {
	// Domain, Issuer and Source are RE2 expressions, unanchored, case-insensitive. Domain looks at each of a certificate's
	// names, Issuer at the issuer's aggregated name, Source at the log's name, operator and URL.
	Domain Values `json:"domain,omitempty"`
	Issuer Values `json:"issuer,omitempty"`
	Source Values `json:"source,omitempty"`
	// ExcludeDomain and ExcludeIssuer always win, whatever the mode.
	ExcludeDomain Values `json:"exclude_domain,omitempty"`
	ExcludeIssuer Values `json:"exclude_issuer,omitempty"`
	// Suffix holds domain names, comma-separated ones too: a name matches when it is one of them or below one.
	Suffix Values `json:"suffix,omitempty"`
	// Mode says whether all fields given must match ("all", the default) or any of them ("any").
	Mode string `json:"mode,omitempty"`
	// Dedup says whether the client wants each certificate once. Unset is left to the server.
	Dedup Switch `json:"dedup,omitempty"`
}

// ParseValues takes the filter's parameters out of a URL's query. Parameters of others are left alone.
func ParseValues(values url.Values) (Query, error) {
	modes := values["mode"]
	if len(modes) > 1 {
		return Query{}, &Error{Param: "mode", Reason: "is given more than once; give all or any"}
	}
	if len(values["dedup"]) > 1 {
		return Query{}, &Error{Param: "dedup", Reason: "is given more than once; give 1 or 0"}
	}
	dedup, err := ParseSwitch(values.Get("dedup"))
	if err != nil || values.Has("dedup") && dedup == Unset {
		return Query{}, &Error{Param: "dedup", Reason: fmt.Sprintf("is %.20q; give 1 or 0", values.Get("dedup"))}
	}
	return Query{
		Domain:        values["domain"],
		Issuer:        values["issuer"],
		Source:        values["source"],
		ExcludeDomain: values["exclude_domain"],
		ExcludeIssuer: values["exclude_issuer"],
		Suffix:        values["suffix"],
		Mode:          values.Get("mode"),
		Dedup:         dedup,
	}, nil
}

// Error says what is wrong with a query: the client gets it as a 400.
type Error struct {
	// Param is the parameter's name, Reason what is wrong with it and what to do.
	Param, Reason string
}

// Error is the text for the client.
func (e *Error) Error() string { return fmt.Sprintf("parameter %s %s", e.Param, e.Reason) }
