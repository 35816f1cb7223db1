package loglist

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The lists that browsers publish. Google's bear a signature beside them; Apple's has none.
const (
	GoogleURL    = "https://www.gstatic.com/ct/log_list/v3/log_list.json"
	GoogleAllURL = "https://www.gstatic.com/ct/log_list/v3/all_logs_list.json"
	AppleURL     = "https://valid.apple.com/ct/log_list/current_log_list.json"
)

// Bounds of what is read.
const (
	maxListBytes      = 16 << 20
	maxSignatureBytes = 8 << 10
)

// Source is one place of a log list.
type Source struct {
	// Name is for metrics and status: google, google_all, apple, custom.
	Name string
	// URL is a http(s) or file URL, or a path.
	URL string
	// Key verifies the signature, which is beside the list with .sig for .json. Nil takes the list unsigned.
	Key crypto.PublicKey
	// KeyName says whose key it is, for status.
	KeyName string
}

// Sources turns settings into sources: one of google, google_all, apple, google+apple, none; or an own list when location is
// not empty. key is PEM, a PEM file's path, or empty for Google's key for Google's lists and none for others.
func Sources(kind, location, key string) ([]Source, error) {
	own, err := ownKey(key)
	if err != nil {
		return nil, err
	}
	google, err := ParseKey(GoogleKey)
	if err != nil {
		return nil, err
	}
	known := map[string]Source{
		"google":     {Name: "google", URL: GoogleURL, Key: google, KeyName: "Google"},
		"google_all": {Name: "google_all", URL: GoogleAllURL, Key: google, KeyName: "Google"},
		"apple":      {Name: "apple", URL: AppleURL},
	}
	var all []Source
	for name := range strings.SplitSeq(kind, "+") {
		if s, ok := known[name]; ok && location == "" {
			all = append(all, s)
		} else if location == "" && name != "none" {
			return nil, fmt.Errorf("there is no log list called %q: want google, google_all, apple, google+apple or none", name)
		}
	}
	if location != "" {
		all = []Source{ownSource(location, known)}
	}
	for i := range all {
		if own != nil {
			all[i].Key, all[i].KeyName = own, "the configured key"
		}
	}
	return all, nil
}

// ownSource knows the browsers' lists by their URLs.
func ownSource(location string, known map[string]Source) Source {
	for _, s := range known {
		if s.URL == location {
			return s
		}
	}
	return Source{Name: "custom", URL: location}
}

func ownKey(key string) (crypto.PublicKey, error) {
	if key == "" {
		return nil, nil
	}
	text := key
	if !strings.Contains(key, "-----BEGIN") {
		raw, err := os.ReadFile(key)
		if err != nil {
			return nil, fmt.Errorf("reading the key of the log list: %w", err)
		}
		text = string(raw)
	}
	return ParseKey(text)
}

// SignatureURL is where the list's signature is.
func (s Source) SignatureURL() string {
	location, query, asks := strings.Cut(s.URL, "?")
	if _, isFile := s.path(); isFile || !asks {
		return strings.TrimSuffix(s.URL, ".json") + ".sig"
	}
	return strings.TrimSuffix(location, ".json") + ".sig?" + query
}

// shown is the URL without a password.
func (s Source) shown() string {
	u, err := url.Parse(s.URL)
	if err != nil || u.User == nil {
		return s.URL
	}
	return u.Redacted()
}

// path is the list's file name, when it is a file.
func (s Source) path() (string, bool) {
	u, err := url.Parse(s.URL)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") {
		return "", false
	}
	if err == nil && u.Scheme == "file" {
		return filepath.FromSlash(cmp.Or(u.Path, u.Opaque)), true
	}
	return s.URL, true
}

// copied is a list as it was received: what is kept on disk.
type copied struct {
	URL          string    `json:"url"`
	Body         []byte    `json:"list"`
	Signature    []byte    `json:"signature,omitempty"`
	ETag         string    `json:"etag,omitempty"`
	LastModified string    `json:"last_modified,omitempty"`
	Fetched      time.Time `json:"fetched"`
}

// errUnchanged says that the list has not changed since the copy at hand.
var errUnchanged = errors.New("unchanged")

// statusError is an HTTP status other than those wanted.
type statusError struct {
	url  string
	code int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s answered HTTP %d", Source{URL: e.url}.shown(), e.code)
}

// errTooLarge is wrapped when an answer is larger than a list can be.
var errTooLarge = errors.New("is too large")

// fetcher gets lists and signatures.
type fetcher struct {
	client    *http.Client
	userAgent string
}

// get fetches a source's list and signature; errUnchanged when they are those of the copy at hand.
func (f *fetcher) get(ctx context.Context, s Source, have *copied) (*copied, error) {
	if path, ok := s.path(); ok {
		return readSource(s, path)
	}
	c, err := f.list(ctx, s, have)
	if err != nil || s.Key == nil {
		return c, err
	}
	signature, _, err := f.http(ctx, s.SignatureURL(), maxSignatureBytes, nil)
	if err != nil {
		return nil, fmt.Errorf("fetching the list's signature: %w", err)
	}
	c.Signature = signature
	return c, nil
}

func (f *fetcher) list(ctx context.Context, s Source, have *copied) (*copied, error) {
	body, header, err := f.http(ctx, s.URL, maxListBytes, have)
	if err != nil {
		if errors.Is(err, errUnchanged) {
			return nil, err
		}
		return nil, fmt.Errorf("fetching the log list: %w", err)
	}
	return &copied{
		URL: s.URL, Body: body, ETag: header.Get("ETag"), LastModified: header.Get("Last-Modified"), Fetched: time.Now().UTC(),
	}, nil
}

// http makes one request, conditional when there is a copy.
func (f *fetcher) http(ctx context.Context, url string, most int64, have *copied) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, nil, err
	}
	if f.userAgent != "" {
		req.Header.Set("User-Agent", f.userAgent)
	}
	if have != nil && have.ETag != "" {
		req.Header.Set("If-None-Match", have.ETag)
	}
	if have != nil && have.LastModified != "" {
		req.Header.Set("If-Modified-Since", have.LastModified)
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case resp.StatusCode == http.StatusNotModified && have != nil:
		return nil, nil, errUnchanged
	case resp.StatusCode != http.StatusOK:
		return nil, nil, &statusError{url: url, code: resp.StatusCode}
	}
	body, err := bounded(resp.Body, most, Source{URL: url}.shown())
	return body, resp.Header, err
}

func bounded(r io.Reader, most int64, what string) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	if int64(len(body)) > most {
		return nil, fmt.Errorf("%s %w: more than %d bytes", what, errTooLarge, most)
	}
	return body, nil
}

// readSource reads a list, and where there is a key its signature, from files.
func readSource(s Source, path string) (*copied, error) {
	body, err := readBounded(path, maxListBytes)
	if err != nil {
		return nil, fmt.Errorf("reading the log list: %w", err)
	}
	c := &copied{URL: s.URL, Body: body, Fetched: time.Now().UTC()}
	if s.Key != nil {
		sigPath, _ := Source{URL: s.SignatureURL()}.path()
		if c.Signature, err = readBounded(sigPath, maxSignatureBytes); err != nil {
			return nil, fmt.Errorf("reading the list's signature: %w", err)
		}
	}
	return c, nil
}

func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return bounded(f, most, path)
}

// check verifies and parses a copy.
func (s Source) check(c *copied) (*List, error) {
	if len(c.Body) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrMalformed)
	}
	if s.Key != nil {
		if err := verify(s.Key, c.Body, c.Signature); err != nil {
			return nil, err
		}
	}
	return Parse(c.Body)
}
