package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/client"
)

// Read names, over a restart of the server. The client connects again and goes on after the last message; what the server does
// not hold any more comes as a gap, with its size and bounds.
func Example() {
	url, stop := newServer(
		[]string{
			`{"message_type":"dns_entries","data":["example.com","www.example.com"],"cursor":"1x9k2-7"}`,
		},
		[]string{
			`{"message_type":"gap","data":{"reason":"expired","missed":34,"from":"1x9k2-7","to":"1x9k2-41"}}`,
			`{"message_type":"dns_entries","data":["example.org"],"cursor":"1x9k2-42"}`,
		},
	)
	defer stop()

	c, err := client.New(client.Options{URL: url, Stream: client.Domains, MinBackoff: time.Millisecond})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for event, err := range c.Events(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		switch e := event.(type) {
		case *client.DomainNames:
			fmt.Println(e.Names)
		case *client.Gap:
			fmt.Printf("missed %d after %s, up to %s: %s\n", e.Missed, e.From, e.To, e.Reason)
		case *client.Reconnecting:
			var closed *client.Closed
			fmt.Println("connecting again:", errors.As(e.Err, &closed) && closed.Code == 1012)
		}
		if c.Cursor() == "1x9k2-42" {
			break
		}
	}
	// Output:
	// [example.com www.example.com]
	// connecting again: true
	// missed 34 after 1x9k2-7, up to 1x9k2-41: expired
	// [example.org]
}

// Go on after a restart of the program: save the cursor when an event has been handled, and hand it back.
func ExampleClient_Cursor() {
	url, stop := newServer([]string{
		`{"message_type":"dns_entries","data":["a.example.com"],"cursor":"1x9k2-7"}`,
		`{"message_type":"heartbeat","timestamp":1782907200.5,"cursor":"1x9k2-12"}`,
		`{"message_type":"dns_entries","data":["b.example.com"],"cursor":"1x9k2-13"}`,
	})
	defer stop()

	saved := "" // in a file, or in the transaction that stores what came of the event
	for run := 1; run <= 2; run++ {
		c, err := client.New(client.Options{URL: url, Since: saved})
		if err != nil {
			log.Fatal(err)
		}
		for event, err := range c.Events(context.Background()) {
			if err != nil {
				log.Fatal(err)
			}
			if e, ok := event.(*client.DomainNames); ok {
				fmt.Println(e.Names[0])
			}
			saved = c.Cursor()
			if run == 1 && saved == "1x9k2-12" || saved == "1x9k2-13" {
				break // the program ends; heartbeats lead on, so little is looked through again where a filter lets little through
			}
		}
		fmt.Println("saved", saved)
	}
	// Output:
	// a.example.com
	// saved 1x9k2-12
	// b.example.com
	// saved 1x9k2-13
}

// Certificates of one's own names by any other CA than one's own. The server sends nothing else; of a server that knows no filters,
// as here, the client leaves out the rest.
func ExampleFilter() {
	url, stop := newServer([]string{
		`{"data":{"cert_index":1,"leaf_cert":{"all_domains":["other.test"],"issuer":{"aggregated":"/CN=R13/O=Let's Encrypt"}}},"message_type":"certificate_update"}`,
		`{"data":{"cert_index":2,"leaf_cert":{"all_domains":["www.example.com"],"issuer":{"aggregated":"/CN=R13/O=Let's Encrypt"}}},"message_type":"certificate_update"}`,
		`{"data":{"cert_index":3,"leaf_cert":{"all_domains":["login.example.com"],"issuer":{"aggregated":"/CN=CA of the neighbours"}}},"message_type":"certificate_update"}`,
	})
	defer stop()

	c, err := client.New(client.Options{
		URL: url,
		Filter: client.Filter{
			Suffix:        []string{"example.com"},
			Glob:          []string{"*.example.*"},
			ExcludeIssuer: []string{"let's encrypt"},
		},
		Dedup: client.DedupOn, // the precertificate or the certificate, whichever comes first
	})
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range c.Events(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		if e, ok := event.(*client.Certificate); ok {
			fmt.Println(e.Leaf.AllDomains, e.Leaf.Issuer.Aggregated)
			break
		}
	}
	// Output: [login.example.com] /CN=CA of the neighbours
}

// Work on events in parallel: the channel bounds what is in memory. While it is full the loop waits, and the server keeps the
// client's place.
func ExampleClient_Events() {
	url, stop := newServer([]string{
		`{"message_type":"dns_entries","data":["a.example.com"],"cursor":"1x9k2-1"}`,
		`{"message_type":"dns_entries","data":["b.example.com","c.example.com"],"cursor":"1x9k2-2"}`,
		`{"message_type":"dns_entries","data":["d.example.com"],"cursor":"1x9k2-3"}`,
	})
	defer stop()

	c, err := client.New(client.Options{URL: url})
	if err != nil {
		log.Fatal(err)
	}
	work := make(chan *client.DomainNames, 100)
	var mu sync.Mutex
	total := 0
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for e := range work {
				mu.Lock()
				total += len(e.Names)
				mu.Unlock()
			}
		})
	}
	for event, err := range c.Events(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		if e, ok := event.(*client.DomainNames); ok {
			work <- e
		}
		if c.Cursor() == "1x9k2-3" {
			break
		}
	}
	close(work)
	workers.Wait()
	fmt.Println(total, "names; save", c.Cursor())
	// Output: 4 names; save 1x9k2-3
}

// Pass messages on as they came: nothing inside is decoded.
func ExampleClient_Messages() {
	url, stop := newServer([]string{
		`{"message_type":"dns_entries","data":["example.com"],"cursor":"1x9k2-7"}`,
	})
	defer stop()

	c, err := client.New(client.Options{URL: url})
	if err != nil {
		log.Fatal(err)
	}
	for m, err := range c.Messages(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s after %s: %s\n", m.Type, m.Cursor, m.Raw)
		break
	}
	// Output: dns_entries after 1x9k2-7: {"message_type":"dns_entries","data":["example.com"],"cursor":"1x9k2-7"}
}

// A refusal that no other attempt would change ends the loop, and says why.
func ExampleRefused() {
	url, stop := newServer()
	stop() // nobody there: that is no refusal, the client tries on

	c, err := client.New(client.Options{URL: url, MinBackoff: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for event, err := range c.Events(ctx) {
		var refused *client.Refused
		switch {
		case errors.As(err, &refused):
			fmt.Println(refused.Status, refused.Reason) // 401, 403, 400 with what is wrong with a filter
		case err != nil:
			fmt.Println("ended:", err)
		default:
			if e, ok := event.(*client.Reconnecting); ok {
				fmt.Println("next attempt in half an hour or more:", e.After >= 30*time.Minute)
				cancel()
			}
		}
	}
	// Output:
	// next attempt in half an hour or more: true
	// ended: context canceled
}
