package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"time"

	"github.com/google/certificate-transparency-go/trillian/ctfe"
	"github.com/google/certificate-transparency-go/trillian/ctfe/configpb"
	"github.com/google/trillian"
	"github.com/google/trillian/client"
	"github.com/google/trillian/crypto/keys"
	"github.com/google/trillian/crypto/keys/der"
	"github.com/google/trillian/crypto/keyspb"
	"github.com/google/trillian/extension"
	"github.com/google/trillian/monitoring"
	"github.com/google/trillian/quota"
	"github.com/google/trillian/storage/memory"
	"github.com/google/trillian/testonly/integration"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
)

// startCTFE runs the RFC 6962 front end most classic logs run, on Trillian's log server and sequencer with storage in memory.
func startCTFE(ctx context.Context, _, roots string) (*server, error) {
	storage := memory.NewTreeStorage()
	env, err := integration.NewLogEnvWithRegistry(ctx, 1, extension.Registry{
		AdminStorage: memory.NewAdminStorage(storage), LogStorage: memory.NewLogStorage(storage, monitoring.InertMetricFactory{}),
		QuotaManager: quota.Noop(), MetricFactory: monitoring.InertMetricFactory{},
	})
	if err != nil {
		return nil, fmt.Errorf("CTFE: starting Trillian: %w", err)
	}
	tree, err := client.CreateAndInitTree(ctx, &trillian.CreateTreeRequest{Tree: &trillian.Tree{
		TreeState: trillian.TreeState_ACTIVE, TreeType: trillian.TreeType_LOG, MaxRootDuration: durationpb.New(time.Hour),
	}}, env.Admin, env.Log)
	if err != nil {
		return nil, fmt.Errorf("CTFE: creating a tree: %w", err)
	}
	key := testlog.NewKey()
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	handlers, err := ctfeHandlers(ctx, env.Log, tree.TreeId, private, roots)
	if err != nil {
		return nil, fmt.Errorf("CTFE: %w", err)
	}
	base, stop, err := listen(func(string) (http.Handler, error) {
		mux := http.NewServeMux()
		for path, handler := range handlers {
			mux.Handle(path, handler)
		}
		return mux, nil
	})
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	return &server{
		name: "CTFE", url: base + "/test/", key: public, accepted: map[ctlog.Hash]bool{}, close: func() { stop(); env.Close() },
	}, err
}

func ctfeHandlers(ctx context.Context, log trillian.TrillianLogClient, id int64, key []byte, roots string) (ctfe.PathHandlers, error) {
	keys.RegisterHandler(&keyspb.PrivateKey{}, der.FromProto)
	private, err := anypb.New(&keyspb.PrivateKey{Der: key})
	if err != nil {
		return nil, err
	}
	validated, err := ctfe.ValidateLogConfig(&configpb.LogConfig{
		LogId: id, Prefix: "test", RootsPemFile: []string{roots}, PrivateKey: private, ExtKeyUsages: []string{"Any"},
	})
	if err != nil {
		return nil, err
	}
	inst, err := ctfe.SetUpInstance(ctx, ctfe.InstanceOptions{
		Validated: validated, Client: log, Deadline: 10 * time.Second, MetricFactory: monitoring.InertMetricFactory{},
		RequestLog: new(ctfe.DefaultRequestLog),
	})
	if err != nil {
		return nil, err
	}
	return inst.Handlers, nil
}
