package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/certstream-operator/certstream-operator/streamer/config"
)

const validateHelp = `Validate reads a configuration as serve would, with the CERTSTREAM_* variables of the
environment, and prints every mistake: the line, the setting, what is wrong with it, and
what to write instead.

It exits with 0 if the configuration is free of errors, with 2 if it is not, with 1 if
it cannot be read.`

const validateExamples = `  streamer validate config.yaml
  streamer validate                     the file that serve would find
  docker run --rm -v ./config.yaml:/app/config.yaml IMAGE validate`

func newValidate() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:     "validate [FILE]",
		Short:   "Check a configuration file",
		Long:    validateHelp,
		Example: validateExamples,
		Args:    args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if len(given) == 1 {
				path = given[0]
			}
			return validate(cmd, path)
		},
	}
	configFlag(cmd, &path)
	return cmd
}

func validate(cmd *cobra.Command, path string) error {
	loaded, err := config.Load(config.Options{Path: path})
	if err != nil {
		return invalid(err)
	}
	for _, warning := range loaded.Warnings {
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), "warning:", warning); err != nil {
			return err
		}
	}
	for _, missing := range missingFiles(loaded.Config) {
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), "warning:", missing); err != nil {
			return err
		}
	}
	name := loaded.Path
	if name == "" {
		name = "no configuration file: the defaults, and the environment,"
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), name, "ok")
	return err
}

// missingFiles are the files and directories that serve would look for in vain. It is no error: it may run elsewhere.
func missingFiles(c *config.Config) (missing []string) {
	for _, named := range []struct{ setting, path string }{
		{"tls_cert", c.TLSCert},
		{"tls_key", c.TLSKey},
		{"network.ca_bundle", c.Network.CABundle},
		{"auth.tokens_file", c.Auth.TokensFile},
		{"auth.tokens_dir", c.Auth.TokensDir},
	} {
		if named.path == "" {
			continue
		}
		if _, err := os.Stat(named.path); err != nil {
			missing = append(missing, fmt.Sprintf("%s: %v", named.setting, err))
		}
	}
	return missing
}
