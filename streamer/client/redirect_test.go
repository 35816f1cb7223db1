package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A redirect is not followed: where it leads is to get neither the token, in whatever form, nor a second request.
func TestRedirectsAreRefusedWithoutTheToken(t *testing.T) {
	elsewhere := newFakeServer(t, script{status: http.StatusForbidden})
	for _, how := range []Options{
		{Token: "s3cret"}, {Token: "s3cret", TokenHeader: "X-Api-Key"}, {Token: "s3cret", TokenInQuery: true},
	} {
		for _, scheme := range []string{"http", "ws"} {
			for _, status := range []int{301, 302, 303, 307, 308} {
				asked := 0
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					asked++
					w.Header().Set("Location", strings.Replace(elsewhere.URL, "//", "//user:pass@", 1)+"/login?"+r.URL.RawQuery)
					w.WriteHeader(status)
				}))
				how.URL = scheme + strings.TrimPrefix(server.URL, "http")
				_, lost, err := read(t, how, 1)
				server.Close()
				var refused *Refused
				if !errors.As(err, &refused) || refused.Status != status || refused.Reason != "the stream is at "+elsewhere.URL+"/login" {
					t.Errorf("%s, %d: got %v, want a refusal that says where the stream is", scheme, status, err)
				}
				if text := fmt.Sprint(err); strings.Contains(text, "s3cret") || strings.Contains(text, "pass") {
					t.Errorf("a secret shows: %s", text)
				}
				if asked != 1 || len(lost) != 0 {
					t.Errorf("%s, %d: asked %d times", scheme, status, asked)
				}
			}
		}
	}
	if n := len(elsewhere.asked()); n != 0 {
		t.Errorf("the other server was asked %d times: %v", n, elsewhere.asked()[0].Header)
	}
}

// A redirect without a place, to itself, or to what is no URL is an answer like any other.
func TestRedirectsToNowhere(t *testing.T) {
	for _, location := range []string{"", "/sse", "http://[", "//"} {
		server := newFakeServer(t, script{status: http.StatusFound, header: http.Header{"Location": {location}}})
		_, lost, err := read(t, Options{URL: server.URL}, 1)
		var refused *Refused
		if !errors.As(err, &refused) || refused.Status != http.StatusFound || len(lost) != 0 {
			t.Errorf("location %q: got %v after %d attempts, want a final refusal", location, err, len(lost))
		}
	}
}
