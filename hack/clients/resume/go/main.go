// Reads a stream over crashes of the server and of this program: it goes on after the last message that it has handled.
//
// go run . ws://localhost:8080 FILE
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/certstream-operator/certstream-operator/streamer/client"
)

func main() {
	url, file := os.Args[1], os.Args[2]
	since, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		log.Fatal(err)
	}
	c, err := client.New(client.Options{URL: url, Since: string(since)})
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range c.Events(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		switch e := event.(type) {
		case *client.Certificate:
			fmt.Println(e.Source.URL, e.Index, e.Leaf.AllDomains)
		case *client.Gap:
			log.Printf("missed %d: %s", e.Missed, e.Reason)
		}
		if err := save(file, c.Cursor()); err != nil {
			log.Fatal(err)
		}
	}
}

// save writes the whole cursor or nothing.
func save(file, cursor string) error {
	if err := os.WriteFile(file+".new", []byte(cursor), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
