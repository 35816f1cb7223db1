package testlog

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Status answers with a status, a body, and headers given as name, value pairs.
func Status(code int, body string, headers ...string) Action {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// nginx429 is what DigiCert's and Sectigo's frontends answer.
const nginx429 = "<html>\r\n<head><title>429 Too Many Requests</title></head>\r\n<body>\r\n" +
	"<center><h1>429 Too Many Requests</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"

// TooManyRequests answers 429 with nginx' page, and with a Retry-After unless it is empty.
func TooManyRequests(retryAfter string) Action {
	if retryAfter == "" {
		return Status(http.StatusTooManyRequests, nginx429, "Content-Type", "text/html")
	}
	return Status(http.StatusTooManyRequests, nginx429, "Content-Type", "text/html", "Retry-After", retryAfter)
}

// Forbidden answers 403 as a web application firewall does.
func Forbidden() Action {
	return Status(http.StatusForbidden, "<html><title>Access denied</title></html>", "Content-Type", "text/html")
}

// HTML answers 200 with a page.
func HTML() Action {
	return Status(http.StatusOK, "<!DOCTYPE html><html><body>Down for maintenance</body></html>", "Content-Type", "text/html")
}

// Redirect answers 301.
func Redirect(location string) Action {
	return Status(http.StatusMovedPermanently, "", "Location", location)
}

// EmptyEntries answers a get-entries without entries.
func EmptyEntries() Action {
	return Status(http.StatusOK, `{"entries":[]}`, "Content-Type", "application/json")
}

// RateLimit answers 429 beyond a number of requests per second, with a burst as large.
func RateLimit(perSecond float64, retryAfter string) Action {
	var mu sync.Mutex
	tokens, last := perSecond, time.Now()
	refuse := TooManyRequests(retryAfter)
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		mu.Lock()
		now := time.Now()
		tokens = min(max(perSecond, 1), tokens+perSecond*now.Sub(last).Seconds())
		last = now
		ok := tokens >= 1
		if ok {
			tokens--
		}
		mu.Unlock()
		if ok {
			next.ServeHTTP(w, r)
			return
		}
		refuse(w, r, next)
	}
}

// ServeOther answers with another handler: a forked log, a lagging frontend (Log.At).
func ServeOther(other http.Handler) Action {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) { other.ServeHTTP(w, r) }
}

// Delay answers rightly, but late.
func Delay(d time.Duration) Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		select {
		case <-time.After(d):
			next.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	}
}

// Hang never answers; it ends when the client goes away.
func Hang() Action {
	return func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
}

// Reset breaks the connection (HTTP/2: the stream) after so many bytes of the body.
func Reset(after int) Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := record(r, next)
		rec.sendHeader(w)
		_, _ = w.Write(rec.body.Bytes()[:min(after, rec.body.Len())])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// Slow sends the body at so many bytes a second, ten times a second.
func Slow(bytesPerSecond int) Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := record(r, next)
		rec.sendHeader(w)
		control := http.NewResponseController(w)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for rest := rec.body.Bytes(); len(rest) > 0; {
			n := min(len(rest), max(1, bytesPerSecond/10))
			if _, err := w.Write(rest[:n]); err != nil {
				panic(http.ErrAbortHandler)
			}
			_ = control.Flush()
			rest = rest[n:]
			select {
			case <-tick.C:
			case <-r.Context().Done():
				panic(http.ErrAbortHandler)
			}
		}
	}
}

// Rewrite changes the right answer's body, as it is on the wire.
func Rewrite(change func(body []byte) []byte) Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := record(r, next)
		rec.sendHeader(w)
		_, _ = w.Write(change(rec.body.Bytes()))
	}
}

// RewritePlain changes the right answer's body before compression; gzip is undone and done again.
func RewritePlain(change func(body []byte) []byte) Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := record(r, next)
		rec.sendHeader(w)
		body := rec.body.Bytes()
		if rec.header.Get("Content-Encoding") != "gzip" {
			_, _ = w.Write(change(body))
			return
		}
		_, _ = w.Write(Gzip(change(gunzip(body))))
	}
}

// Truncate cuts bytes off the end, before compression.
func Truncate(n int) Action {
	return RewritePlain(func(b []byte) []byte { return b[:max(0, len(b)-n)] })
}

// Trail adds bytes at the end, before compression.
func Trail(extra []byte) Action {
	return RewritePlain(func(b []byte) []byte { return append(bytes.Clone(b), extra...) })
}

// FlipBit changes one bit of the body, before compression; a negative offset counts from the end.
func FlipBit(offset int) Action {
	return RewritePlain(func(b []byte) []byte {
		b = bytes.Clone(b)
		if offset < 0 {
			offset += len(b)
		}
		b[offset] ^= 1
		return b
	})
}

// Gzip variants of a data tile (failure catalogue, row 21).

// GzipUnannounced sends gzip without saying so.
func GzipUnannounced() Action { return encoded("", func(b []byte) []byte { return Gzip(b) }) }

// GzipFalse announces gzip and sends plain bytes.
func GzipFalse() Action { return encoded("gzip", func(b []byte) []byte { return b }) }

// GzipDouble packs twice and says so once.
func GzipDouble() Action { return encoded("gzip", func(b []byte) []byte { return Gzip(Gzip(b)) }) }

// GzipBomb sends so many zero bytes, well packed.
func GzipBomb(size int) Action {
	bomb := sync.OnceValue(func() []byte { return Gzip(make([]byte, size)) })
	return encoded("gzip", func([]byte) []byte { return bomb() })
}

// encoded sends the plain body as `encode` makes it, announced as `announced`.
func encoded(announced string, encode func([]byte) []byte) Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := record(r, next)
		body := rec.body.Bytes()
		if rec.header.Get("Content-Encoding") == "gzip" {
			body = gunzip(body)
		}
		rec.header.Del("Content-Encoding")
		if announced != "" {
			rec.header.Set("Content-Encoding", announced)
		}
		rec.sendHeader(w)
		_, _ = w.Write(encode(body))
	}
}

// Shift answers a get-entries with entries that start elsewhere (row 7).
func Shift(by int64) Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		q := r.URL.Query()
		for _, name := range []string{"start", "end"} {
			n, _ := strconv.ParseInt(q.Get(name), 10, 64)
			q.Set(name, strconv.FormatInt(max(0, n+by), 10))
		}
		moved := r.Clone(r.Context())
		moved.URL.RawQuery = q.Encode()
		next.ServeHTTP(w, moved)
	}
}

// EditEntries changes the list of a get-entries answer: short reads, too many, swapped ones.
func EditEntries(change func(entries []json.RawMessage) []json.RawMessage) Action {
	return RewritePlain(func(body []byte) []byte {
		var answer struct {
			Entries []json.RawMessage `json:"entries"`
		}
		if json.Unmarshal(body, &answer) != nil {
			return body
		}
		answer.Entries = change(answer.Entries)
		out, _ := json.Marshal(answer)
		return out
	})
}

// ShortRead leaves at most so many entries of a get-entries answer (row 4).
func ShortRead(most int) Action {
	return EditEntries(func(e []json.RawMessage) []json.RawMessage { return e[:min(most, len(e))] })
}

// ExtraEntry repeats the last entry: one more than was asked for (row 6).
func ExtraEntry() Action {
	return EditEntries(func(e []json.RawMessage) []json.RawMessage { return append(e, e[len(e)-1]) })
}

// SwapTileEntries swaps two neighbouring entries of a data tile, so that leaf_index is not the position (row 23).
func SwapTileEntries() Action {
	return RewritePlain(func(b []byte) []byte {
		entries := splitTile(b)
		if len(entries) < 2 {
			return b
		}
		entries[0], entries[1] = entries[1], entries[0]
		return bytes.Join(entries, nil)
	})
}

// splitTile cuts a data tile into its entries' bytes.
func splitTile(b []byte) [][]byte {
	var entries [][]byte
	for len(b) > 0 {
		rest := tileRest(b)
		if rest == nil {
			return entries
		}
		entries = append(entries, b[:len(b)-len(rest)])
		b = rest
	}
	return entries
}

// BadSignature spoils the signature of a get-sth answer or checkpoint (row 12).
func BadSignature() Action {
	return RewritePlain(func(b []byte) []byte {
		var sth map[string]any
		if json.Unmarshal(b, &sth) == nil {
			sig, _ := base64.StdEncoding.DecodeString(fmt.Sprint(sth["tree_head_signature"]))
			sig[len(sig)-1] ^= 1
			sth["tree_head_signature"] = sig
			return editNumbers(b, sth)
		}
		head, line, _ := bytes.Cut(b, []byte("\n\n"))
		fields := bytes.Fields(line)
		sig, _ := base64.StdEncoding.DecodeString(string(fields[2]))
		sig[len(sig)-1] ^= 1
		return fmt.Appendf(nil, "%s\n\n\u2014 %s %s\n", head, fields[1], base64.StdEncoding.EncodeToString(sig))
	})
}

// editNumbers writes an edited JSON object with the numbers as they were in the original.
func editNumbers(original []byte, edited map[string]any) []byte {
	var exact map[string]json.RawMessage
	_ = json.Unmarshal(original, &exact)
	for name, value := range edited {
		if _, isNumber := value.(float64); isNumber {
			edited[name] = exact[name]
		}
	}
	out, _ := json.Marshal(edited)
	return out
}

// recorder takes an answer in instead of sending it.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func record(r *http.Request, next http.Handler) *recorder {
	rec := &recorder{header: http.Header{}, status: http.StatusOK}
	next.ServeHTTP(rec, r)
	return rec
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

func (r *recorder) sendHeader(w http.ResponseWriter) {
	for name, values := range r.header {
		w.Header()[name] = values
	}
	w.WriteHeader(r.status)
}
