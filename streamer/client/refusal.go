package client

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strings"
)

const (
	maxReason  = 300     // bytes that are kept of a refusal's body
	maxRefusal = 4 << 10 // bytes that are read of it
)

// reasonIn is what an answer that is no stream says, for people.
func reasonIn(resp *http.Response) string {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")) // a broken one is none of those below
	switch kind {
	case "text/html":
		return ""
	case "text/event-stream":
		u := resp.Request.URL
		return "this is a stream of server-sent events; use " + u.Scheme + "://" + u.Host + u.Path
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal)) // what was read is good enough to show
	var answer struct {
		Error string `json:"error"`
	}
	text := string(body)
	if json.Unmarshal(body, &answer) == nil && answer.Error != "" {
		text = answer.Error
	}
	text = strings.TrimSpace(text)
	return strings.ToValidUTF8(text[:min(len(text), maxReason)], "")
}
