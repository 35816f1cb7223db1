package client

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

// BenchmarkDecode is what a message costs, as it is passed on and decoded: the envelope alone is looked at for the former.
func BenchmarkDecode(b *testing.B) {
	for name, raw := range map[string]string{
		"lite": ours, "domains": `{"message_type":"dns_entries","data":["a.example.com","b.example.com"],"cursor":"1x9k2-4711"}`,
		"older": elixir,
	} {
		for _, decoded := range []bool{false, true} {
			b.Run(map[bool]string{false: "message/", true: "event/"}[decoded]+name, func(b *testing.B) {
				b.SetBytes(int64(len(raw)))
				b.ReportAllocs()
				for b.Loop() {
					m, err := parseMessage([]byte(raw))
					if err != nil {
						b.Fatal(err)
					}
					if decoded {
						if _, ok := m.Event().(*Unknown); ok {
							b.Fatal("not decoded")
						}
					}
				}
			})
		}
	}
}

// BenchmarkWebSocket reads messages of a server on loopback; a bare loop over gorilla/websocket's ReadMessage is the baseline.
func BenchmarkWebSocket(b *testing.B) {
	endless := &endlessServer{message: []byte(ours)}
	url := endless.start(b)
	b.Run("messages", func(b *testing.B) {
		c, err := New(Options{URL: url})
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		b.SetBytes(int64(len(ours)))
		b.ReportAllocs()
		for _, err := range c.Messages(b.Context()) {
			if err != nil {
				b.Fatal(err)
			}
			c.position = position{} // all have one cursor
			if n++; n >= b.N {
				break
			}
		}
	})
	b.Run("gorilla", func(b *testing.B) {
		conn, _, err := websocket.DefaultDialer.DialContext(b.Context(), url, nil)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		b.SetBytes(int64(len(ours)))
		b.ReportAllocs()
		for range b.N {
			if _, _, err := conn.ReadMessage(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// endlessServer sends one message for ever.
type endlessServer struct{ message []byte }

func (e *endlessServer) start(b *testing.B) (url string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := (&websocket.Upgrader{WriteBufferSize: 64 << 10}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		prepared, err := websocket.NewPreparedMessage(websocket.TextMessage, e.message)
		for err == nil {
			err = conn.WritePreparedMessage(prepared)
		}
	}))
	b.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}
