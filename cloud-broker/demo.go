package main

import (
	"context"
)

// folder is the folder of studies to serve.
func (b *broker) folder(context.Context) (string, error) {
	return b.studies, nil
}
