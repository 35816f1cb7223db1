package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"
)

// options are the operator's flags.
type options struct {
	namespaces           []string
	leaderElect          bool
	leaderElectNamespace string
	metricsAddress       string
	metricsSecure        bool
	probeAddress         string
	streamerImage        string
	restrictedTenants    bool
	concurrentReconciles int
	logLevel, logFormat  string
	operatorNamespace    string
	kubeQPS              float32
	kubeBurst            int
}

func command() *cobra.Command {
	o := new(options)
	cmd := &cobra.Command{
		Use:   "manager",
		Short: "Runs the operator of CertStreams",
		Long: `manager is the operator of certstream.io: it makes CertStreams into running streams of Certificate Transparency logs.
It finds the API server as kubectl does: by --kubeconfig or KUBECONFIG, or by its ServiceAccount inside a cluster.`,
		Version:       version + " (" + commit + ")",
		Args:          cobra.NoArgs,
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	o.register(cmd)
	return cmd
}

func (o *options) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&o.namespaces, "namespaces", list(os.Getenv("WATCH_NAMESPACE")),
		"namespaces to watch, separated by commas; none watches all [WATCH_NAMESPACE]")
	f.BoolVar(&o.leaderElect, "leader-elect", true, "elect a leader among replicas; only the leader reconciles")
	f.StringVar(&o.leaderElectNamespace, "leader-election-namespace", "", "namespace of the leader's Lease; inside a cluster the operator's own")
	f.StringVar(&o.metricsAddress, "metrics-bind-address", ":8443", "address of /metrics; 0 switches it off")
	f.BoolVar(&o.metricsSecure, "metrics-secure", true, "serve metrics by HTTPS to who is authenticated and may get /metrics")
	f.StringVar(&o.probeAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz; 0 switches it off")
	f.StringVar(&o.streamerImage, "streamer-image", or(os.Getenv("STREAMER_IMAGE"), "certstream-operator/streamer:"+version),
		"image of streams whose spec names none [STREAMER_IMAGE]")
	f.BoolVar(&o.restrictedTenants, "restricted-tenants", false, "refuse what lets the author of a CertStream do more than stream: image, env, volumes, ServiceAccount, external Services, private log addresses")
	f.IntVar(&o.concurrentReconciles, "max-concurrent-reconciles", 32, "CertStreams reconciled at the same time")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&o.logFormat, "log-format", "json", "json or text")
	f.StringVar(&o.operatorNamespace, "operator-namespace", os.Getenv("POD_NAMESPACE"),
		"namespace the operator runs in, which NetworkPolicies of streams admit [POD_NAMESPACE]")
	f.Float32Var(&o.kubeQPS, "kube-api-qps", 100, "requests per second to the API server at most")
	f.IntVar(&o.kubeBurst, "kube-api-burst", 200, "requests to the API server at once at most")
}

// check says which flag is wrong.
func (o *options) check() error {
	var all []error
	for _, ns := range o.namespaces {
		if wrong := validation.IsDNS1123Label(ns); len(wrong) > 0 {
			all = append(all, fmt.Errorf("--namespaces: %q is no namespace's name: %s", ns, strings.Join(wrong, ", ")))
		}
	}
	if o.streamerImage == "" {
		all = append(all, errors.New("--streamer-image is empty: name the image of the streamer"))
	}
	if o.concurrentReconciles < 1 {
		all = append(all, fmt.Errorf("--max-concurrent-reconciles is %d: use 1 or more", o.concurrentReconciles))
	}
	if _, err := o.logger(); err != nil {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// logger is the operator's log, on standard error.
func (o *options) logger() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return nil, fmt.Errorf("--log-level is %q: use debug, info, warn or error", o.logLevel)
	}
	h := &slog.HandlerOptions{Level: level}
	switch o.logFormat {
	case "json":
		return slog.New(slog.NewJSONHandler(os.Stderr, h)), nil
	case "text":
		return slog.New(slog.NewTextHandler(os.Stderr, h)), nil
	}
	return nil, fmt.Errorf("--log-format is %q: use json or text", o.logFormat)
}

// list are the parts of a text that commas separate; none of an empty one.
func list(text string) []string {
	var parts []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

func or(text, otherwise string) string {
	if text != "" {
		return text
	}
	return otherwise
}
