package testlog

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// The kinds of request, for Faults and Stats.
const (
	GetSTH           = "get-sth"
	GetEntries       = "get-entries"
	GetConsistency   = "get-sth-consistency"
	GetProofByHash   = "get-proof-by-hash"
	GetEntryAndProof = "get-entry-and-proof"
	GetRoots         = "get-roots"
	Checkpoint       = "checkpoint"
	DataTile         = "data-tile"
	PartialDataTile  = "partial-data-tile"
	HashTile         = "hash-tile"
	PartialHashTile  = "partial-hash-tile"
	Issuer           = "issuer"
	Unknown          = "unknown"
)

// kind classifies a path below the log's prefix.
func kind(path string) string {
	if name, ok := strings.CutPrefix(path, "ct/v1/"); ok {
		switch name {
		case GetSTH, GetEntries, GetConsistency, GetProofByHash, GetEntryAndProof, GetRoots:
			return name
		}
		return Unknown
	}
	partial := strings.Contains(path, ".p/")
	switch {
	case path == "checkpoint":
		return Checkpoint
	case strings.HasPrefix(path, "issuer/"):
		return Issuer
	case strings.HasPrefix(path, "tile/data/") && partial:
		return PartialDataTile
	case strings.HasPrefix(path, "tile/data/"):
		return DataTile
	case strings.HasPrefix(path, "tile/") && partial:
		return PartialHashTile
	case strings.HasPrefix(path, "tile/"):
		return HashTile
	}
	return Unknown
}

// Handler serves the log. It expects paths below the log's prefix (use http.StripPrefix, or Serve): "/ct/v1/get-sth",
// "/checkpoint".
func (l *Log) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k := kind(strings.TrimPrefix(r.URL.Path, "/"))
		counted := &countingWriter{ResponseWriter: w}
		l.Stats.begin(k, r)
		defer l.Stats.end(k, counted)
		l.Faults.serve(k, counted, r, http.HandlerFunc(l.serve))
	})
}

// At serves the log as a lagging frontend does, that has seen entries up to a size only.
func (l *Log) At(size uint64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { l.view().at(size).serve(w, r) })
}

func (l *Log) serve(w http.ResponseWriter, r *http.Request) { l.view().serve(w, r) }

func (v *view) serve(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	k := kind(path)
	classic := !v.o.Static || v.o.Hybrid
	switch {
	case k == Checkpoint && v.o.Static && !v.o.Hybrid:
		v.getCheckpoint(w, r)
	case k == Issuer && v.o.Static:
		v.getIssuer(w, r, strings.TrimPrefix(path, "issuer/"))
	case strings.HasPrefix(path, "tile/") && v.o.Static:
		v.getTile(w, r, strings.TrimPrefix(path, "tile/"))
	case k == GetRoots:
		v.getRoots(w, r)
	case classic && v.classic(k) != nil:
		v.classic(k)(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (v *view) classic(k string) http.HandlerFunc {
	switch k {
	case GetSTH:
		return v.getSTH
	case GetEntries:
		return v.getEntries
	case GetConsistency:
		return v.getConsistency
	case GetProofByHash:
		return v.getProofByHash
	case GetEntryAndProof:
		return v.getEntryAndProof
	}
	return nil
}

// Server is a listening server of one or several logs.
type Server struct {
	// URL is the server's, without a trailing slash. Each log is at URL/<its name in lower case, with dashes>/.
	URL string

	server *http.Server
	done   sync.WaitGroup
	stop   context.CancelFunc
}

// Serve listens on an address ("127.0.0.1:0" takes a free port) and serves the logs, each below a prefix that is told to it by
// SetURL. A tls.Config switches TLS and HTTP/2 on. Close ends it.
func Serve(addr string, config *tls.Config, logs ...*Log) (*Server, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serving test logs: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{URL: "http://" + listener.Addr().String(), stop: stop}
	mux := http.NewServeMux()
	s.server = &http.Server{
		Handler: mux, TLSConfig: config, ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:    log.New(io.Discard, "", 0), // handshakes that fail are the client's to report
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	if config != nil {
		s.URL = "https://" + listener.Addr().String()
	}
	for _, l := range logs {
		l.SetURL(s.URL + "/" + l.slug + "/")
		mux.Handle("/"+l.slug+"/", http.StripPrefix("/"+l.slug, l.Handler()))
	}
	s.done.Go(func() {
		if config != nil {
			_ = s.server.ServeTLS(listener, "", "")
			return
		}
		_ = s.server.Serve(listener)
	})
	return s, nil
}

// Close ends the server and all its connections, hanging ones too.
func (s *Server) Close() {
	s.stop()
	_ = s.server.Close()
	s.done.Wait()
}

// listLog is a log in a v3 log list.
type listLog struct {
	Description   string         `json:"description"`
	LogID         []byte         `json:"log_id"`
	Key           []byte         `json:"key"`
	URL           string         `json:"url,omitempty"`
	SubmissionURL string         `json:"submission_url,omitempty"`
	MonitoringURL string         `json:"monitoring_url,omitempty"`
	MMD           int            `json:"mmd"`
	State         map[string]any `json:"state"`
}

func (l *Log) listed() listLog {
	entry := listLog{
		Description: l.o.Name, LogID: l.id[:], Key: l.spki, MMD: l.o.MMD,
		State: map[string]any{l.o.State: map[string]any{"timestamp": "2026-01-01T00:00:00Z"}},
	}
	if l.o.Static && !l.o.Hybrid {
		entry.SubmissionURL, entry.MonitoringURL = l.URL(), l.URL()
	} else {
		entry.URL = l.URL()
	}
	return entry
}

// LogListJSON is the log's own entry in a v3 log list.
func (l *Log) LogListJSON() []byte {
	b, _ := json.Marshal(l.listed()) // plain strings, bytes and numbers cannot fail
	return b
}

// LogList is a v3 log list of some logs, by operator. It is unsigned.
func LogList(logs ...*Log) []byte {
	type operator struct {
		Name      string    `json:"name"`
		Email     []string  `json:"email"`
		Logs      []listLog `json:"logs"`
		TiledLogs []listLog `json:"tiled_logs"`
	}
	var operators []*operator
	byName := map[string]*operator{}
	for _, l := range logs {
		o := byName[l.o.Operator]
		if o == nil {
			o = &operator{Name: l.o.Operator, Email: []string{}, Logs: []listLog{}, TiledLogs: []listLog{}}
			byName[l.o.Operator] = o
			operators = append(operators, o)
		}
		if l.o.Static && !l.o.Hybrid {
			o.TiledLogs = append(o.TiledLogs, l.listed())
		} else {
			o.Logs = append(o.Logs, l.listed())
		}
	}
	b, _ := json.MarshalIndent(map[string]any{
		"version": "1.0", "log_list_timestamp": time.Now().UTC().Format(time.RFC3339), "operators": operators,
	}, "", "  ")
	return b
}
