package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/cmd/internal/tail"
	"github.com/certstream-operator/certstream-operator/controllers/build"
	"github.com/certstream-operator/certstream-operator/streamer/client"
)

const tailHelp = `Tail shows a CertStream's certificates in the terminal as they are issued. It forwards a
port to the pod by itself, and goes on at the next pod, where it stopped, when that one
is replaced. Filters are evaluated by the pod.

Where spec.auth wants a token, it is taken from --token, from CERTSTREAM_TOKEN, or from
the Secret that spec.auth names, if you may read it. Where spec.tls is set, the
certificate must be the one in its Secret, or one that is valid for the Service.`

const tailExamples = `  kubectl certstream tail
  kubectl certstream tail main --suffix example.com --suffix example.org
  kubectl certstream tail main --json --stream full | jq '.data.leaf_cert.subject // empty'
  kubectl certstream tail main --domains --count 100
  kubectl certstream tail main --since 1h --suffix example.com     the last hour first, if it is kept
  kubectl certstream tail main --since 1x9k2-4711                  what came after that cursor`

// maxBackoff is short: a pod that is replaced is back within seconds.
const maxBackoff = 2 * time.Second

func (p *plugin) tail() *cobra.Command {
	var f tail.Flags
	var protocol string
	cmd := &cobra.Command{
		Use:     "tail",
		Short:   "Watch a CertStream's certificates in the terminal",
		Long:    tailHelp,
		Example: tailExamples,
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := oneOf("--protocol", protocol, "", "websocket", "sse", "tcp"); err != nil {
				return err
			}
			c, err := p.open()
			if err != nil {
				return err
			}
			cs, err := c.find(cmd.Context(), first(given))
			if err != nil {
				return err
			}
			return c.tail(cmd, cs, &f, protocol)
		},
	}
	f.Add(cmd)
	cmd.Flags().StringVar(&protocol, "protocol", "", "websocket, sse or tcp (default the first that spec.protocols enables)")
	cmd.Flags().IntVar(&f.Count, "count", 0, "stop after so many certificates")
	cmd.Flags().Lookup("stream").Usage = "stream kind: full, lite or domains (default the first of lite, domains and full that is served)"
	return p.named(cmd)
}

// tail shows the stream. What no second attempt would change ends it.
func (c *cluster) tail(cmd *cobra.Command, cs *v1alpha1.CertStream, f *tail.Flags, protocol string) error {
	errs := cmd.ErrOrStderr()
	ctx, giveUp := context.WithCancelCause(cmd.Context())
	defer giveUp(nil)
	o, err := f.Options()
	if err != nil {
		return err
	}
	o.UserAgent, o.MaxBackoff, o.Dial = userAgent(), maxBackoff, c.dialStream(cs, giveUp, errs)
	o.Stream = cmp.Or(o.Stream, servedStream(cs))
	if o.URL, err = streamURL(cs, protocol, o.Stream); err != nil {
		return err
	}
	if o.Token, err = c.token(ctx, cs, o.Token, errs); err != nil {
		return err
	}
	if auth := cs.Spec.Auth; auth != nil {
		o.TokenHeader = auth.HeaderName
	}
	if cs.Spec.TLS != nil && !f.Insecure {
		o.TLS = c.verification(ctx, cs, o.TLS, giveUp, errs)
	}
	return f.Run(ctx, "kubectl certstream tail", o, cmd.OutOrStdout(), errs)
}

// dialStream connects to the pod that is ready now, whichever that is.
func (c *cluster) dialStream(cs *v1alpha1.CertStream, giveUp context.CancelCauseFunc, errs io.Writer) func(context.Context, string, string) (net.Conn, error) {
	last := ""
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		_, text, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		port, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return nil, err
		}
		pod, err := c.readyPod(ctx, cs)
		var conn net.Conn
		if err == nil {
			conn, err = c.dial(ctx, pod, int32(port))
		} else {
			err = fmt.Errorf("%w (kubectl certstream status %s says why)", err, cs.Name)
		}
		switch {
		case denied(err):
			giveUp(err)
		case err == nil && pod.Name != last:
			last = pod.Name
			fmt.Fprintf(errs, "kubectl certstream tail: reading from pod %s\n", pod.Name)
		}
		return conn, err
	}
}

// servedStream is the stream kind to read where none is asked for.
func servedStream(cs *v1alpha1.CertStream) client.Stream {
	s := &cs.Spec.Protocols.Streams
	switch {
	case on(s.Lite, true):
		return client.Lite
	case on(s.DomainsOnly, true):
		return client.Domains
	}
	return client.Full
}

// on is a switch with its default.
func on(value *bool, otherwise bool) bool {
	if value == nil {
		return otherwise
	}
	return *value
}

// streamURL is where the pod serves a stream: the Service's name stands for it, with the pod's port.
func streamURL(cs *v1alpha1.CertStream, protocol string, stream client.Stream) (string, error) {
	p := &cs.Spec.Protocols
	enabled := map[string]bool{"websocket": on(p.WebSocket.Enabled, true), "sse": on(p.SSE.Enabled, true), "tcp": on(p.TCP.Enabled, false)}
	if protocol != "" && !enabled[protocol] {
		return "", fmt.Errorf("CertStream %s does not serve %s: spec.protocols switches it off", cs.Name, protocol)
	}
	for _, other := range []string{"websocket", "sse", "tcp"} {
		if protocol == "" && enabled[other] {
			protocol = other
		}
	}
	scheme := map[string]string{"websocket": "ws", "sse": "http", "tcp": "tcp"}[protocol]
	if cs.Spec.TLS != nil {
		scheme = map[string]string{"websocket": "wss", "sse": "https", "tcp": "tls"}[protocol]
	}
	port, path := cmp.Or(p.Port, 8080), ""
	switch protocol {
	case "websocket":
		path = map[client.Stream]string{
			client.Full: p.WebSocket.FullPath, client.Lite: p.WebSocket.LitePath, client.Domains: p.WebSocket.DomainsOnlyPath,
		}[stream]
	case "sse":
		path = p.SSE.Path
	case "tcp":
		port = cmp.Or(p.TCP.Port, 8081)
	}
	u := url.URL{Scheme: scheme, Host: fmt.Sprintf("%s.%s.svc:%d", build.Name(cs), cs.Namespace, port), Path: path}
	return u.String(), nil
}
