package main

import (
	"context"
	"io"
)

func faultSoak(ctx context.Context, o options, out io.Writer) error { return nil }
