// Package argocd runs the health script of docs/gitops in a Lua interpreter, as Argo CD does.
package argocd

import (
	"os"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

const script = "../../docs/gitops/argocd-health.lua"

type condition struct{ kind, status, message string }

func TestHealth(t *testing.T) {
	ready := condition{"Ready", "True", "clients can connect"}
	for _, tc := range []struct {
		name            string
		observed        float64
		conditions      []condition
		status, message string
	}{
		{"not seen yet", -1, nil, "Progressing", "The operator has not seen it yet"},
		{"of an older generation", 1, []condition{ready}, "Progressing", "The operator has not seen it yet"},
		{"ready", 2, []condition{ready}, "Healthy", "clients can connect"},
		{"reconciling", 2, []condition{ready, {"Reconciling", "True", "a pod starts"}}, "Progressing", "a pod starts"},
		{"not ready", 2, []condition{{"Ready", "False", "no pod yet"}}, "Progressing", "no pod yet"},
		{"stalled", 2, []condition{{"Ready", "False", "x"}, {"Stalled", "True", "create the Secret"}}, "Degraded", "create the Secret"},
		{"suspended", 2, []condition{ready, {"Suspended", "True", "by spec.suspend"}}, "Suspended", "by spec.suspend"},
		{"stalled no more", 2, []condition{ready, {"Stalled", "False", ""}}, "Healthy", "clients can connect"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, message := health(t, tc.observed, tc.conditions)
			if status != tc.status || message != tc.message {
				t.Errorf("%s, %q; want %s, %q", status, message, tc.status, tc.message)
			}
		})
	}
}

func TestHealthWithoutStatus(t *testing.T) {
	if status, _ := run(t, `obj = {metadata = {generation = 1}}`); status != "Progressing" {
		t.Errorf("%s, want Progressing", status)
	}
}

// health runs the script on a CertStream of generation 2.
func health(t *testing.T, observed float64, conditions []condition) (status, message string) {
	t.Helper()
	l := lua.NewState()
	defer l.Close()
	list := l.NewTable()
	for _, c := range conditions {
		entry := l.NewTable()
		entry.RawSetString("type", lua.LString(c.kind))
		entry.RawSetString("status", lua.LString(c.status))
		entry.RawSetString("message", lua.LString(c.message))
		list.Append(entry)
	}
	inner, metadata, object := l.NewTable(), l.NewTable(), l.NewTable()
	inner.RawSetString("observedGeneration", lua.LNumber(observed))
	inner.RawSetString("conditions", list)
	metadata.RawSetString("generation", lua.LNumber(2))
	object.RawSetString("metadata", metadata)
	object.RawSetString("status", inner)
	l.SetGlobal("obj", object)
	return result(t, l)
}

// run runs the script after some Lua.
func run(t *testing.T, before string) (status, message string) {
	t.Helper()
	l := lua.NewState()
	defer l.Close()
	if err := l.DoString(before); err != nil {
		t.Fatal(err)
	}
	return result(t, l)
}

func result(t *testing.T, l *lua.LState) (status, message string) {
	t.Helper()
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.DoString(string(text)); err != nil {
		t.Fatal(err)
	}
	answer, ok := l.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("the script returns %s", l.Get(-1).Type())
	}
	return answer.RawGetString("status").String(), answer.RawGetString("message").String()
}
