package controllers

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/build"
)

// The fields by which CertStreams are found in the cache.
const (
	indexSecrets = "secrets"
	indexLogs    = "logs"
	indexClaims  = "claims"
)

// secretNames are the Secrets that a CertStream refers to.
func secretNames(cs *v1alpha1.CertStream) []string {
	var names []string
	for _, ref := range build.SecretRefs(cs) {
		names = append(names, ref.Name)
	}
	return names
}

// claimNames is the claim that a CertStream keeps its state on, in a list.
func claimNames(cs *v1alpha1.CertStream) []string {
	if name := build.ClaimName(cs); name != "" {
		return []string{name}
	}
	return nil
}

// logsDigest is the same for CertStreams that follow the same logs.
func logsDigest(logs *v1alpha1.LogsSpec) string {
	list := logs.List
	list.RefreshInterval = nil
	custom := make([]string, 0, len(logs.Custom))
	for _, l := range logs.Custom {
		custom = append(custom, l.URL)
	}
	body, _ := json.Marshal([]any{list, logs.Select, custom}) // plain data: it cannot fail
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:16])
}

// byAge orders CertStreams from the oldest on.
func byAge(a, b v1alpha1.CertStream) int {
	if c := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); c != 0 {
		return c
	}
	return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
}

// joined are sentences in one line, cut where there are too many.
func joined(sentences []string) string {
	return cut(strings.Join(sentences, "; "), 1024)
}

// cut is a text of at most so many bytes, and a sign where there was more.
func cut(text string, most int) string {
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
