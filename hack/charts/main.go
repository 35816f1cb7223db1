// Charts keeps the Helm charts in step with what they are made from:
//
//	charts values DIR...    writes values.schema.json and the table of values in README.md of each chart
//	charts schemas DIR      writes JSON schemas for kubeconform: Kubernetes' own, and those of custom resources
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

//go:generate ../charts.sh

func main() {
	swagger := flag.String("swagger", "", "schemas: Kubernetes' swagger.json")
	crd := flag.String("crd", "config/crd/bases/certstream.io_certstreams.yaml", "values: the CertStream's definition")
	flag.Parse()
	if err := run(flag.Arg(0), flag.Args(), *swagger, *crd); err != nil {
		fmt.Fprintln(os.Stderr, "charts:", err)
		os.Exit(1)
	}
}

func run(command string, args []string, swagger, crd string) error {
	switch {
	case command == "values" && len(args) > 1:
		for _, chart := range args[1:] {
			if err := writeValues(chart, crd); err != nil {
				return fmt.Errorf("%s: %w", chart, err)
			}
		}
		return nil
	case command == "schemas" && len(args) > 2:
		return writeSchemas(args[1], swagger, args[2:])
	}
	return errors.New("want: values and charts, or: -swagger FILE schemas DIR and CRDs")
}

// writeValues generates what follows from a chart's values.yaml and values.schema.yaml.
func writeValues(chart, crd string) error {
	values, err := readValues(filepath.Join(chart, "values.yaml"))
	if err != nil {
		return err
	}
	if err := writeValuesSchema(chart, crd, values); err != nil {
		return err
	}
	return writeReadme(chart, values)
}
