package config

import "reflect"

// Diff names the settings that differ, by what their change needs.
func Diff(before, after *Config) (live, restart []string) {
	for _, f := range Fields() {
		switch {
		case same(f.of(before), f.of(after)):
		case f.Class == Live:
			live = append(live, f.Path)
		default:
			restart = append(restart, f.Path)
		}
	}
	return live, restart
}

// of is the field's value in a configuration.
func (f Field) of(c *Config) reflect.Value { return reflect.ValueOf(c).Elem().FieldByIndex(f.index) }

// merge is what runs after a reload without a restart: the new configuration with the restart settings of the old.
func merge(running, next *Config) *Config {
	merged := *next
	for _, f := range Fields() {
		if f.Class == Restart {
			f.of(&merged).Set(f.of(running))
		}
	}
	return &merged
}

// RestartHash is the SHA-256, in hex, of the settings that only a restart applies: while it stays the same, a running streamer
// can take up the whole configuration.
func RestartHash(c *Config) (string, error) {
	restart := Default()
	for _, f := range Fields() {
		if f.Class == Restart {
			f.of(restart).Set(f.of(c))
		}
	}
	rendered, err := Render(restart)
	if err != nil {
		return "", err
	}
	return hashOf(rendered), nil
}
