package client_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/client"
)

// Watch for certificates of some names, and take note of where to go on after a restart.
func Example() {
	c, err := client.New(client.Options{
		URL:    "wss://certstream.example.org",
		Stream: client.Domains,
		Filter: client.Filter{Suffix: []string{"example.com"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	for event, err := range c.Events(ctx) {
		if err != nil {
			log.Print("the stream ended: ", err)
			break
		}
		switch e := event.(type) {
		case *client.DomainNames:
			fmt.Println(e.Names)
		case *client.Gap:
			log.Printf("missed %d: %s", e.Missed, e.Reason)
		case *client.Reconnecting:
			log.Printf("%v; next try in %v", e.Err, e.After)
		}
	}
	fmt.Println("go on after", c.Cursor())
}
