package system

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The programs, built once for all tests.
var brokerProgram, edgeProgram string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tomocast-system")
	if err == nil {
		defer os.RemoveAll(dir)
		err = build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// build builds the programs as the Makefile does. With TOMOCAST_RACE=1 they have the race detector in them.
func build(dir string) error {
	args := []string{"build", "-o", dir + string(filepath.Separator)}
	if os.Getenv("GOFLAGS") == "" {
		args = append(args, "-tags=egl", "-buildvcs=false")
	}
	if os.Getenv("TOMOCAST_RACE") == "1" {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "./cloud-broker", "./edge-renderer")...)
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	brokerProgram, edgeProgram = filepath.Join(dir, "cloud-broker"), filepath.Join(dir, "edge-renderer")
	return nil
}
