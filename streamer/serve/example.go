package serve

import (
	"encoding/json"
	"net/http"

	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// latestMessages is how many /latest.json shows, as the Elixir server did.
const latestMessages = 25

// example answers with the newest message of a kind, or a bundled real one before the first.
func (e *Endpoints) example(kind message.Kind) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		body := message.Example(kind)
		if list, err := e.sources.Latest(kind, 1); err == nil && len(list) > 0 {
			body = list[len(list)-1]
		}
		setJSON(w, http.StatusOK)
		_, _ = w.Write(body) // whether the client still reads it is up to the client
	}
}

// latest answers with the newest lite messages, the newest first.
func (e *Endpoints) latest(w http.ResponseWriter, _ *http.Request) {
	list, err := e.sources.Latest(message.Lite, latestMessages)
	if err != nil {
		e.log.Warn("the newest messages cannot be read", "error", err)
		writeError(w, http.StatusServiceUnavailable, "the newest messages cannot be read now; try again")
		return
	}
	messages := make([]json.RawMessage, 0, len(list))
	for i := len(list) - 1; i >= 0; i-- {
		messages = append(messages, list[i])
	}
	writeJSON(w, http.StatusOK, map[string]any{"messages": messages})
}
