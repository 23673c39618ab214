package bench_test

import (
	"context"
	"errors"
	"os"
	"testing"

	poolbench "github.com/tomocast/tomocast/cloud-broker/pool/bench"
	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/internal/bench"
)

// The measurement itself works; whether the bars are met is for a quiet machine to say.
func TestRun(t *testing.T) {
	if testing.Short() || os.Getenv("TOMOCAST_BENCH") == "" {
		t.Skip("takes a while: set TOMOCAST_BENCH=1")
	}
	rows, err := poolbench.Run(context.Background(), t.Output())
	if errors.Is(err, redistest.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := bench.Write(t.Output(), rows); err != nil {
		t.Fatal(err)
	}
}
