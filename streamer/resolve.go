package streamer

import (
	"context"
	"log/slog"

	"github.com/certstream-operator/certstream-operator/streamer/config"
	"github.com/certstream-operator/certstream-operator/streamer/loglist"
)

// Resolve looks at the log list once and says of each of its logs, and of the custom ones, whether a streamer with this
// configuration would follow it, and why. Where a list cannot be had, its status says so and the one kept on disk stands in.
func Resolve(ctx context.Context, c *config.Config, version string, logger *slog.Logger) (
	[]loglist.Decision, []loglist.SourceStatus, error,
) {
	network, err := newNetwork(c, version, logger)
	if err != nil {
		return nil, nil, err
	}
	defer network.close()
	options, err := logListOptions(c)
	if err != nil {
		return nil, nil, err
	}
	dir, _ := c.StateDir()
	manager := loglist.New(options, loglist.Deps{
		Client: network.standard, UserAgent: network.agent, Dir: dir, Logger: logger,
	})
	manager.Refresh(ctx)
	return manager.Current().Decisions, manager.Status(), nil
}
