// Package observe reads what the pods say of themselves on their admin ports.
package observe

import (
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Report is what a streamer's /status says, as far as the operator needs it. It carries no text that a log server chose.
type Report struct {
	// PodUID is the pod that was asked; At when it answered, or did not.
	PodUID types.UID
	At     time.Time
	// Err is why it could not be read; the rest is empty then.
	Err error

	Version string
	// ConfigHash is the SHA-256 of the configuration in force; ConfigError why the file's present content is not.
	ConfigHash, ConfigError string
	// RestartNeeded names changed settings that wait for a restart; Warnings are the configuration's.
	RestartNeeded, Warnings []string
	Draining                bool

	// Logs are those followed. ListFailing says that the list of logs cannot be renewed, and StateFailing that the last
	// checkpoint could not be written.
	Logs                      []Log
	ListFailing, StateFailing bool
	EntriesPerSecond          float64
	Clients                   int64
}

// Log is one CT log.
type Log struct {
	Name string
	// State is what its follower does, Status what to think of it: healthy, degraded or unhealthy.
	State, Status string
	// ErrorKind is the class of its last error while it fails; empty otherwise.
	ErrorKind  string
	LagEntries uint64
	LagSeconds float64
}
