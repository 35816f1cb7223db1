package loglist

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Selection says which logs of a list to follow. Empty lists of operators, names, ids and protocols take all.
type Selection struct {
	States    []State
	Operators []string
	// Names are globs with * and ?.
	Names     []string
	LogIDs    [][32]byte
	Protocols []Protocol
	// ExpiresFrom and ExpiresUntil leave out shards whose certificates all expire before the one, or not before the other.
	ExpiresFrom, ExpiresUntil time.Time
	// Include and Exclude hold name globs, log ids (base64, hex), URLs, or operator:NAME. Exclude beats all else.
	Include, Exclude []string
	// AllowHTTP admits logs that are read by plain http.
	AllowHTTP bool
}

// DefaultStates are the states of logs worth following.
func DefaultStates() []State { return []State{Usable, Qualified, Readonly} }

// Custom is a log that the configuration names.
type Custom struct {
	Name, Operator string
	// URL is what it is read from; SubmissionURL a tiled log's submission prefix, URL when empty.
	URL, SubmissionURL string
	// Key is in PEM, or base64 of the SubjectPublicKeyInfo; empty when not known.
	Key      string
	Protocol Protocol
	MMD      time.Duration
}

// log makes a Log of it.
func (c Custom) log() (Log, error) {
	l := Log{
		Name: c.Name, Operator: cmp.Or(c.Operator, c.Name), Protocol: cmp.Or(c.Protocol, RFC6962),
		MMD: cmp.Or(c.MMD, 24*time.Hour), State: None, Custom: true,
	}
	var err error
	if l.URL, err = prefix(c.URL); err != nil {
		return l, fmt.Errorf("custom log %q: %w", clip(c.Name), err)
	}
	if l.Protocol == Tiled {
		if l.SubmissionURL, err = prefix(cmp.Or(c.SubmissionURL, c.URL)); err != nil {
			return l, fmt.Errorf("custom log %q: submission_url: %w", clip(c.Name), err)
		}
	}
	l.ID = sha256.Sum256([]byte(l.URL))
	if c.Key == "" {
		return l, nil
	}
	if l.Key, err = keyDER(c.Key); err == nil {
		_, err = parseKeyDER(l.Key)
	}
	if err != nil {
		return l, fmt.Errorf("custom log %q: %w", clip(c.Name), err)
	}
	l.ID = sha256.Sum256(l.Key)
	return l, nil
}

// Decision is what was made of one log.
type Decision struct {
	Log      Log
	Followed bool
	// Reason says why, for people.
	Reason string
}

// Resolve decides about every custom log and every log of a list. The custom ones come first, the others by operator and name.
func Resolve(logs []Log, custom []Custom, s Selection) []Decision {
	var all []Decision
	byID, byURL := make(map[[32]byte]string), make(map[string]string)
	for _, c := range custom {
		l, err := c.log()
		d := Decision{Log: l, Followed: err == nil, Reason: "named in the configuration"}
		if err != nil {
			d.Reason = err.Error()
		} else if l.Key == nil {
			d.Reason += ", without a key: unverified"
		}
		all = append(all, d)
		byID[l.ID], byURL[l.URL] = l.Name, l.Name
	}
	listed := slices.Clone(logs)
	slices.SortStableFunc(listed, func(a, b Log) int {
		return cmp.Or(cmp.Compare(a.Operator, b.Operator), cmp.Compare(a.Name, b.Name))
	})
	for _, l := range listed {
		d := Decision{Log: l}
		if twin := cmp.Or(byID[l.ID], byURL[l.URL]); twin != "" {
			d.Reason = fmt.Sprintf("is the custom log %q", twin)
		} else {
			d.Followed, d.Reason = s.decide(&l)
		}
		all = append(all, d)
	}
	return all
}

// decide says whether a log of a list is followed, and why.
func (s *Selection) decide(l *Log) (bool, string) {
	if term := firstMatch(s.Exclude, l); term != "" {
		return false, "excluded by " + term
	}
	if term := firstMatch(s.Include, l); term != "" {
		return true, "included by " + term
	}
	return s.rules(l)
}

func (s *Selection) rules(l *Log) (bool, string) {
	states := s.States
	if states == nil {
		states = DefaultStates()
	}
	switch {
	case l.Type != "" && l.Type != "prod":
		return false, "is a " + strings.ReplaceAll(l.Type, "_", " ") + " log"
	case !s.AllowHTTP && strings.HasPrefix(l.URL, "http:"):
		return false, "is read by plain http, which needs allow_http"
	case !slices.Contains(states, l.State):
		return false, "its state is " + string(l.State)
	case len(s.Protocols) > 0 && !slices.Contains(s.Protocols, l.Protocol):
		return false, "its protocol is " + string(l.Protocol)
	case len(s.Operators) > 0 && !slices.ContainsFunc(s.Operators, func(o string) bool { return strings.EqualFold(o, l.Operator) }):
		return false, "its operator is not selected"
	case len(s.Names) > 0 && !slices.ContainsFunc(s.Names, func(g string) bool { return glob(g, l.Name) }):
		return false, "its name is not selected"
	case len(s.LogIDs) > 0 && !slices.Contains(s.LogIDs, l.ID):
		return false, "its log id is not selected"
	case !s.ExpiresFrom.IsZero() && !l.Until.IsZero() && !l.Until.After(s.ExpiresFrom):
		return false, "its certificates expire before " + s.ExpiresFrom.Format(time.DateOnly)
	case !s.ExpiresUntil.IsZero() && !l.From.IsZero() && !l.From.Before(s.ExpiresUntil):
		return false, "its certificates expire from " + l.From.Format(time.DateOnly) + " on"
	default:
		return true, "its state is " + string(l.State)
	}
}

// firstMatch is the first term that names the log, else "".
func firstMatch(terms []string, l *Log) string {
	for _, t := range terms {
		if names(t, l) {
			return t
		}
	}
	return ""
}

// names says whether a term of Include or Exclude means the log.
func names(term string, l *Log) bool {
	if operator, ok := strings.CutPrefix(term, "operator:"); ok {
		return strings.EqualFold(operator, l.Operator)
	}
	if strings.Contains(term, "://") {
		u := strings.TrimRight(term, "/")
		return strings.EqualFold(u, l.URL) || strings.EqualFold(u, l.SubmissionURL)
	}
	if term == base64.StdEncoding.EncodeToString(l.ID[:]) || strings.EqualFold(term, hex.EncodeToString(l.ID[:])) {
		return true
	}
	return glob(term, l.Name)
}

// glob matches * (anything) and ? (one character) without regard to case, in time linear in both for each *.
func glob(pattern, name string) bool {
	p, s := []rune(strings.ToLower(pattern)), []rune(strings.ToLower(name))
	i, j, star, mark := 0, 0, -1, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == s[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
