// Package demo runs everything on one machine, without the internet: two embedded CT logs that grow, the real streamer that
// follows them, and a view of its stream in the terminal.
package demo

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/certstream-operator/certstream-operator/internal/terminal"
	"github.com/certstream-operator/certstream-operator/streamer"
	"github.com/certstream-operator/certstream-operator/streamer/client"
	"github.com/certstream-operator/certstream-operator/streamer/config"
	"github.com/certstream-operator/certstream-operator/streamer/telemetry"
)

// Options say what the demo does.
type Options struct {
	// Host is where the streamer listens, Port for WebSocket and SSE, TCPPort for raw TCP.
	Host          string
	Port, TCPPort int
	// Rate is by how many entries per second both logs grow together.
	Rate float64
	// Corpus is a file of real entries in the form of a data tile; empty: the demo's own CA issues all.
	Corpus string
	// TLS serves with a certificate of a CA made for this run.
	TLS bool
	// Lie has the tiled log lie, so that the alarm can be rehearsed: one of Lies, or empty. State is where the evidence goes, and
	// positions; empty: nowhere.
	Lie, State string
	// View shows the stream; without it the streamer runs as it would alone.
	View bool
	// Printer shows all there is to show, Logger and Build are the streamer's.
	Printer *terminal.Printer
	Logger  *slog.Logger
	Build   telemetry.Build
}

// Run runs the demo until ctx ends. With now, its short drain is cut shorter.
func Run(ctx, now context.Context, o Options) error {
	if o.Rate < 0 || o.Rate > 1e6 {
		return fmt.Errorf("rate %g: want 0 to 1000000 entries per second", o.Rate)
	}
	if err := checkLie(o.Lie); err != nil {
		return err
	}
	var tls *authority
	if o.TLS {
		var err error
		if tls, err = newAuthority(o.Host); err != nil {
			return err
		}
		defer tls.remove()
	}
	logs, err := startLogs(o.Corpus, o.Rate)
	if err != nil {
		return err
	}
	defer logs.close()
	server, err := streamer.New(streamer.Options{
		Config: &config.Loaded{Config: o.config(logs, tls)}, Build: o.Build, Logger: o.Logger, Reread: reread,
	})
	if err != nil {
		return err
	}
	// Ports of 0 are known now.
	o.Port = server.HTTPAddr().(*net.TCPAddr).Port
	o.TCPPort = server.TCPAddr().(*net.TCPAddr).Port
	return o.run(ctx, now, server, logs, tls)
}

// run runs everything until ctx ends or a part fails.
func (o *Options) run(ctx, now context.Context, server *streamer.Streamer, logs *logs, tls *authority) error {
	group, inside := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Run(inside, now) })
	group.Go(func() error {
		logs.grow(inside)
		return nil
	})
	if o.Lie != "" {
		group.Go(func() error {
			logs.lie(inside, o.Lie)
			return nil
		})
	}
	group.Go(func() error {
		if err := o.introduce(logs, tls); err != nil || !o.View {
			return err
		}
		return o.view(inside, tls)
	})
	return group.Wait()
}

// config is the streamer's: its defaults, but for what makes the demo quick to watch and quick to stop.
func (o *Options) config(logs *logs, tls *authority) *config.Config {
	c := config.Default()
	c.Host, c.Port, c.Protocols.TCP, c.Protocols.TCPPort = o.Host, o.Port, true, o.TCPPort
	c.LogList.Source = "none"
	c.CustomLogs = logs.custom()
	c.Network.AllowHTTP, c.Network.AllowPrivateAddresses = true, true
	c.CTLog.Start = config.Start{Mode: config.StartHead, Back: 20}
	c.CTLog.PollIntervalMS = 200
	// These logs bear what a public log would not.
	c.CTLog.RequestsPerSecond, c.CTLog.CatchUpRate = 1000, int(max(4*o.Rate, 2000))
	c.CTLog.PartialTileInterval = config.Duration(5 * time.Second)
	c.Drain = config.Drain{Period: config.Duration(time.Second)}
	c.HotReload.Enabled = false
	c.State.Dir = o.State
	if tls != nil {
		c.TLSCert, c.TLSKey = tls.cert, tls.key
	}
	return c
}

// url is the server's, with the scheme for plain text or the one for TLS.
func (o *Options) url(plain, secure, path string) string {
	scheme := plain
	if o.TLS {
		scheme = secure
	}
	return scheme + "://" + o.address(o.Port) + path
}

// address is where a client on this machine finds a port.
func (o *Options) address(port int) string {
	host := o.Host
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

func (o *Options) httpClient(tls *authority) *http.Client {
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: tls.clientTLS()}}
}

// introduce says what runs, what to try, and how to stop.
func (o *Options) introduce(logs *logs, tls *authority) error {
	corpus := fmt.Sprintf("%d real certificates and some of a CA of the demo's own", logs.real)
	if logs.real == 0 {
		corpus = "certificates of a CA of the demo's own"
	}
	host, port, _ := net.SplitHostPort(o.address(o.TCPPort)) // JoinHostPort made it
	tcp, curl, ca := "nc "+host+" "+port, "curl -N ", ""
	if tls != nil {
		tcp = "openssl s_client -quiet -CAfile " + tls.ca + " -connect " + o.address(o.TCPPort)
		curl += "--cacert " + tls.ca + " "
		ca = " --ca " + tls.ca
	}
	if err := o.Printer.Heading("certstream demo: an RFC 6962 log and a tiled log on this machine, growing by " +
		thousands(uint64(o.Rate)) + " entries/s"); err != nil {
		return err
	}
	lines := []string{
		"  holding    " + corpus,
		"  WebSocket  " + o.url("ws", "wss", "/") + "   also /full-stream and /domains-only",
		"  SSE        " + curl + "'" + o.url("http", "https", "/sse?stream=domains") + "'",
		"  TCP        " + tcp,
		"  filtered   " + os.Args[0] + " tail" + ca + " --suffix example.com " + o.url("ws", "wss", ""),
		"  status     " + o.url("http", "https", "/status") + "   also /metrics and /example.json",
	}
	if o.Lie != "" {
		lines = append(lines, fmt.Sprintf("  lie        in %v the tiled log begins with: %s", lieAfter, o.Lie))
	}
	for _, line := range append(lines, "  stop       Ctrl-C", "") {
		if err := o.Printer.Line(line); err != nil {
			return err
		}
	}
	return nil
}

func (o *Options) view(ctx context.Context, tls *authority) error {
	stream, err := client.New(client.Options{
		URL: o.url("ws", "wss", ""), TLS: tls.clientTLS(), UserAgent: "certstream-demo-view", MinBackoff: 100 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	v := &view{printer: o.Printer, stream: stream, status: o.url("http", "https", "/status"), http: o.httpClient(tls)}
	defer v.http.CloseIdleConnections()
	return v.run(ctx)
}
