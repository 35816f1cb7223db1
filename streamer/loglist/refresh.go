package loglist

import "context"

// Refresh looks once at every source that is due, for those who do not want Run. It must not be called while Run runs.
func (m *Manager) Refresh(ctx context.Context) { m.refresh(ctx) }
