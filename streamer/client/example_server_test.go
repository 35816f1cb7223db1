package client_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"

	"github.com/gorilla/websocket"
)

// newServer is a certstream server in this process. The first connection gets the first messages, and then a close for a restart;
// further ones get the next, and so on; the last stay open.
func newServer(connections ...[]string) (url string, stop func()) {
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		at := min(int(n.Add(1)), len(connections))
		for _, m := range connections[at-1] {
			_ = conn.WriteMessage(websocket.TextMessage, []byte(m)) // the reader ends when the client has gone
		}
		if at < len(connections) {
			_ = conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseServiceRestart, "the server restarts"))
		}
		_, _, _ = conn.ReadMessage()
	}))
	return "ws" + strings.TrimPrefix(server.URL, "http"), server.Close
}
