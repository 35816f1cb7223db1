// Package demo runs everything on one machine, without the internet: two embedded CT logs that grow, the real streamer that
// follows them, and a view of its stream in the terminal.
package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
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
	// Retention is the disk space for entries below State; 0: none are kept.
	Retention config.Bytes
	// WriteConfig is a file for the configuration of a second streamer that follows the demo's logs; empty: none is written.
	WriteConfig string
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
	if err := errors.Join(checkLie(o.Lie), o.checkRetention()); err != nil {
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
		return inFlags(err)
	}
	// Ports of 0 are known now.
	o.Port = server.HTTPAddr().(*net.TCPAddr).Port
	o.TCPPort = server.TCPAddr().(*net.TCPAddr).Port
	if err := o.writeConfig(logs); err != nil {
		return errors.Join(err, server.Close())
	}
	return o.run(ctx, now, server, logs, tls)
}

// inFlags says which of the demo's flags to change.
func inFlags(err error) error {
	var port *streamer.PortError
	if errors.As(err, &port) {
		port.Setting = map[string]string{"port": "--port", "protocols.tcp_port": "--tcp-port"}[port.Setting]
	}
	return err
}

func (o *Options) checkRetention() error {
	const least = 16 << 20 // the streamer's
	switch {
	case o.Retention != 0 && o.Retention < least:
		return fmt.Errorf("--retention %s: want 0 or at least 16MiB", o.Retention)
	case o.Retention != 0 && o.State == "":
		return errors.New("--retention needs a folder for the entries: set --state too")
	}
	return nil
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
	o.follow(c, logs)
	c.Drain = config.Drain{Period: config.Duration(time.Second)}
	c.HotReload.Enabled = false
	c.State.Dir, c.Retention.MaxBytes = o.State, o.Retention
	if tls != nil {
		c.TLSCert, c.TLSKey = tls.cert, tls.key
	}
	return c
}

// follow has a streamer follow the demo's logs.
func (o *Options) follow(c *config.Config, logs *logs) {
	c.LogList.Source = "none"
	c.CustomLogs = logs.custom()
	c.Network.AllowHTTP, c.Network.AllowPrivateAddresses = true, true
	c.CTLog.Start = config.Start{Mode: config.StartHead, Back: 20}
	c.CTLog.PollIntervalMS = 200
	// These logs bear what a public log would not.
	c.CTLog.RequestsPerSecond, c.CTLog.CatchUpRate = 1000, int(max(4*o.Rate, 2000))
	c.CTLog.PartialTileInterval = config.Duration(5 * time.Second)
}

// second is how far the ports of the second streamer are from the demo's, and what it keeps on disk.
const (
	secondPort      = 10
	secondRetention = 64 << 20
)

// writeConfig writes the configuration of a second streamer, which can be killed while the logs grow on.
func (o *Options) writeConfig(logs *logs) error {
	if o.WriteConfig == "" {
		return nil
	}
	state, err := filepath.Abs(o.WriteConfig + ".state")
	if err != nil {
		return fmt.Errorf("--write-config: %w", err)
	}
	c := config.Default()
	c.Host, c.Port, c.State.Dir = "127.0.0.1", o.Port+secondPort, state
	c.Retention.MaxBytes = cmp.Or(o.Retention, secondRetention)
	o.follow(c, logs)
	text, err := config.Render(c)
	if err != nil {
		return err
	}
	if err := os.WriteFile(o.WriteConfig, text, 0o600); err != nil {
		return fmt.Errorf("--write-config: %w", err)
	}
	return nil
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
	if o.WriteConfig != "" {
		lines = append(lines, fmt.Sprintf("  second     %s --config %s   follows the same logs, serves on port %d", os.Args[0], o.WriteConfig, o.Port+secondPort))
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
