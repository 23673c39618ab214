package chaos

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
)

// TestChaos is a small run. TOMOCAST_CHAOS_SEED makes another plan of what is killed when, TOMOCAST_CHAOS_LOG=1 tells what
// happens, TOMOCAST_CHAOS_BROKER is a cloud-broker that is built already.
func TestChaos(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	r, err := Run(ctx, options(t, Options{Brokers: 3, Edges: 30, Duration: 12 * time.Second, Seed: 1}))
	if errors.Is(err, redistest.ErrMissing) && os.Getenv("TOMOCAST_REQUIRE_REDIS") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", r)
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if r.Granted == 0 || r.Kills.Brokers == 0 || r.Kills.Redis == 0 || r.Kills.Edges == 0 || r.Kills.Links == 0 || r.Kills.Revoked == 0 ||
		r.HandedOver == 0 || r.Resized == 0 || r.ByEdges == 0 {
		t.Errorf("too little has happened: %+v", r)
	}
}

func options(t *testing.T, o Options) Options {
	if v := os.Getenv("TOMOCAST_CHAOS_SEED"); v != "" {
		var err error
		if o.Seed, err = strconv.ParseUint(v, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	o.Program = os.Getenv("TOMOCAST_CHAOS_BROKER")
	if os.Getenv("TOMOCAST_CHAOS_LOG") == "1" {
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return o
}
