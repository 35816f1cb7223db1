package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/build"
	"github.com/certstream-operator/certstream-operator/streamer/config"
	"github.com/certstream-operator/certstream-operator/streamer/serve"
)

const configHelp = `Config prints the configuration that the operator wrote for a CertStream's pod, and says
in comments before it whether the pod runs it: what it refused, what waits for a
restart, what it warns of.

It holds what differs from the streamer's defaults; --all fills in the others. --pending
shows what the spec asks for and the operator has not written yet, as this version of
the plugin understands the spec: what a resume would change, for example.`

const configExamples = `  kubectl certstream config main
  kubectl certstream config main --diff          how it differs from the defaults
  kubectl certstream config main --pending       what a suspended CertStream waits with`

// configKey is the key in the ConfigMap.
const configKey = "config.yaml"

// written is a CertStream's configuration as it stands in its ConfigMap.
type written struct {
	stream *v1alpha1.CertStream
	text   string
	config *config.Config
	// streamer is what the pod says, or unread why it could not be asked.
	pod      string
	streamer *serve.Status
	unread   error
}

func (p *plugin) config() *cobra.Command {
	var all, diff, pending bool
	cmd := &cobra.Command{
		Use:     "config",
		Short:   "Show the configuration of a CertStream's pod, and whether the pod runs it",
		Long:    configHelp,
		Example: configExamples,
		RunE: func(cmd *cobra.Command, given []string) error {
			c, err := p.open()
			if err != nil {
				return err
			}
			w, err := c.written(cmd.Context(), first(given))
			if err != nil {
				return err
			}
			page := p.page(cmd)
			renderConfigNotes(page, w)
			body, err := w.body(all, diff, pending)
			if err != nil {
				return err
			}
			_, err = io.WriteString(cmd.OutOrStdout(), page.String()+body)
			return err
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "every setting, with its default where it is not set")
	cmd.Flags().BoolVar(&diff, "diff", false, "a unified difference from the defaults")
	cmd.Flags().BoolVar(&pending, "pending", false, "a unified difference to what the spec asks for")
	cmd.MarkFlagsMutuallyExclusive("all", "diff", "pending")
	return p.named(cmd)
}

// written reads the ConfigMap, and asks the pod what it runs.
func (c *cluster) written(ctx context.Context, name string) (*written, error) {
	cs, err := c.find(ctx, name)
	if err != nil {
		return nil, err
	}
	var object corev1.ConfigMap
	if err := c.Get(ctx, c.key(build.Name(cs)), &object); apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("the operator has written no configuration for CertStream %s yet (kubectl certstream status %s)", cs.Name, cs.Name)
	} else if err != nil {
		return nil, err
	}
	w := &written{stream: cs, text: object.Data[configKey]}
	loaded, _, problems := config.Parse([]byte(w.text), nil)
	if len(problems) > 0 {
		return nil, fmt.Errorf("ConfigMap %s: %w", object.Name, &config.InvalidError{Problems: problems})
	}
	w.config = loaded
	pod, err := c.pod(ctx, cs)
	if err == nil && pod == nil {
		err = errNoPod
	}
	if err == nil {
		w.pod = pod.Name
		if w.streamer, err = c.report(ctx, pod); err != nil {
			err = fmt.Errorf("asking pod %s: %w", pod.Name, err)
		}
	}
	w.unread = err
	return w, ctx.Err()
}

// hash is what the streamer reports once it runs the configuration.
func (w *written) hash() string {
	sum := sha256.Sum256([]byte(w.text))
	return hex.EncodeToString(sum[:])
}

// body is what was asked for.
func (w *written) body(all, diff, pending bool) (string, error) {
	switch {
	case pending:
		wanted, err := w.wanted()
		return unified("written", w.text, "wanted by the spec", wanted), err
	case !all && !diff:
		return w.text, nil
	}
	effective, err := whole(w.config)
	if err != nil || all {
		return effective, err
	}
	defaults, err := whole(config.Default())
	return unified("defaults", defaults, "certstream "+w.stream.Name, effective), err
}

// wanted is the configuration that the spec asks for.
func (w *written) wanted() (string, error) {
	var capacity *resource.Quantity // of which a share is kept for entries
	if v := w.stream.Status.Volume; v != nil {
		capacity = v.Capacity
	}
	c, err := build.Config(w.stream, capacity)
	if err != nil {
		return "", err
	}
	rendered, err := config.Render(c)
	return string(rendered), err
}

// whole is a configuration with every setting that has an effect. Secrets are hidden.
func whole(c *config.Config) (string, error) {
	var tree yaml.Node
	if err := tree.Encode(c); err != nil {
		return "", err
	}
	for _, field := range config.Fields() {
		if field.Gone != "" {
			drop(&tree, strings.Split(field.Path, "."))
		}
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	err := encoder.Encode(&tree)
	return out.String(), errors.Join(err, encoder.Close())
}

// drop takes a setting out of a tree.
func drop(tree *yaml.Node, path []string) {
	for i := 0; i+1 < len(tree.Content); i += 2 {
		switch {
		case tree.Content[i].Value != path[0]:
		case len(path) > 1:
			drop(tree.Content[i+1], path[1:])
		default:
			tree.Content = append(tree.Content[:i:i], tree.Content[i+2:]...)
			return
		}
	}
}

// renderConfigNotes says in comments how the configuration stands.
func renderConfigNotes(p *page, w *written) {
	note := func(c color, format string, args ...any) {
		p.wrapPrefixed("# ", c, fmt.Sprintf(format, args...))
	}
	note(plain, "ConfigMap %s/%s, SHA-256 %s", w.stream.Namespace, build.Name(w.stream), short(w.hash()))
	if wanted, err := w.wanted(); err != nil {
		note(red, "the spec cannot be made a configuration: %v", err)
	} else if wanted != w.text {
		note(yellow, "the spec asks for another (--pending shows it)%s", suspendedNote(w.stream))
	}
	if w.streamer == nil {
		note(yellow, "not known whether it is in force: %s", explain(w.unread))
		return
	}
	c := &w.streamer.Config
	if c.Hash == w.hash() {
		note(green, "in force in pod %s for %s", w.pod, p.since(c.LoadedAt))
	} else {
		note(yellow, "not in force: pod %s runs %s, loaded %s ago", w.pod, short(c.Hash), p.since(c.LoadedAt))
	}
	if c.LastError != "" {
		note(red, "refused %s ago: %s", p.since(c.LastErrorAt), c.LastError)
	}
	if len(c.RestartNeeded) > 0 {
		note(yellow, "waits for a restart: %s", strings.Join(c.RestartNeeded, ", "))
	}
	for _, warning := range c.Warnings {
		note(yellow, "warning: %s", warning)
	}
}

func suspendedNote(cs *v1alpha1.CertStream) string {
	if cs.Spec.Suspend {
		return ": the CertStream is suspended"
	}
	return ""
}
