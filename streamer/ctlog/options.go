package ctlog

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options say how to read a log.
type Options struct {
	// URL is the prefix that entries are read from: `url` of an RFC 6962 log, `monitoring_url` of a static one.
	URL string
	// SubmissionURL is the submission prefix of a static log, from which the origin of its checkpoints follows; URL if empty.
	SubmissionURL string
	// Key is the log's public key: the DER of a SubjectPublicKeyInfo. LogID, unless zero, must be its SHA-256. Unsigned says that
	// there is none, as with custom logs of which only the URL is known: tree heads are then taken without a signature, and
	// entries are still checked against them.
	Key      []byte
	LogID    Hash
	Unsigned bool
	// Unhashed leaves Entry.LeafHash zero: for readers that verify nothing.
	Unhashed bool
	// Client makes the requests; its redirect policy is replaced by: on the same host only. Make its Transport with
	// NewTransport. Close drops its idle connections.
	Client *http.Client
	// Hooks pace and count requests.
	Hooks Hooks
	// UserAgent should name the program, its version, and a contact: anonymous clients get smaller quotas.
	UserAgent string
	// PageHint is the page size to begin with on RFC 6962 logs (default 1,024); the true one is learned.
	PageHint uint64
	// PartialInterval is the least time between two fetches of partial data tiles (default 10 s, at least 5 s).
	PartialInterval time.Duration
	// MaxBody bounds an answer with entries, on the wire and inflated (default 64 MiB; less than 24 MiB would not hold the
	// largest entry that there can be).
	MaxBody int64
	// HeaderTimeout bounds the time from the request to its answer's headers (default 30 s), MinThroughput is the least
	// number of bytes per second of a body, averaged over 10 s (default 1,024).
	HeaderTimeout time.Duration
	MinThroughput int64
	// Now is the clock (default time.Now).
	Now func() time.Time
}

const (
	defaultPage            = 1024
	maxPage                = 4096
	defaultPartialInterval = 10 * time.Second
	minPartialInterval     = 5 * time.Second
	defaultMaxBody         = 64 << 20
	defaultHeaderTimeout   = 30 * time.Second
	defaultMinThroughput   = 1024
)

func (o Options) withDefaults() Options {
	if o.Client == nil {
		o.Client = &http.Client{}
	}
	if o.UserAgent == "" {
		o.UserAgent = "certstream-operator"
	}
	if o.PageHint == 0 {
		o.PageHint = defaultPage
	}
	o.PageHint = min(o.PageHint, maxPage)
	if o.PartialInterval == 0 {
		o.PartialInterval = defaultPartialInterval
	}
	o.PartialInterval = max(o.PartialInterval, minPartialInterval)
	if o.MaxBody == 0 {
		o.MaxBody = defaultMaxBody
	}
	if o.HeaderTimeout == 0 {
		o.HeaderTimeout = defaultHeaderTimeout
	}
	if o.MinThroughput == 0 {
		o.MinThroughput = defaultMinThroughput
	}
	if o.SubmissionURL == "" {
		o.SubmissionURL = o.URL
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// check validates what the constructors were given and fills in the log id.
func (o *Options) check() error {
	if err := checkURL("url", o.URL); err != nil {
		return err
	}
	if err := checkURL("submission_url", o.SubmissionURL); err != nil {
		return err
	}
	if o.Unsigned {
		return nil
	}
	id := keyHash(o.Key)
	if o.LogID != (Hash{}) && o.LogID != id {
		return errors.New("log_id is not the SHA-256 of key: take both from the same entry of the log list")
	}
	o.LogID = id
	return nil
}

// keyHash is the log id.
func keyHash(spki []byte) Hash { return sha256.Sum256(spki) }

func checkURL(field, s string) error {
	u, err := url.Parse(s)
	if err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("%s %q: want https://host/path/ without query or user", field, u.Redacted())
	}
	return nil
}

// origin is the first line of a static log's checkpoints: the submission prefix without scheme and trailing slash.
func (o *Options) origin() string {
	_, origin, _ := strings.Cut(strings.TrimSuffix(o.SubmissionURL, "/"), "://")
	return origin
}
