// Package filter turns a client's query into a canonical predicate over records. Equal filters are one class, evaluated once
// per record whatever the number of clients that share it.
package filter

import "github.com/certstream-operator/certstream-operator/streamer/engine"

// Subject is what filters look at.
type Subject struct {
	// Domains are the certificate's all_domains, as messages show them.
	Domains [][]byte
	// Issuer is the issuer's aggregated name, as messages show it.
	Issuer []byte
	// Source is the log the entry is from.
	Source *engine.Source
}
