// Package oracle measures decoding against DCMTK and GDCM, and compares samples with theirs. Their libraries are linked
// by two small programs, in the folder programs, that are compiled when they are needed; nothing of this is part of Tomocast's
// own programs.
package oracle

import (
	"bufio"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

//go:embed programs
var sources embed.FS

// ErrMissing is wrapped where a compiler or a library is not installed; the text says which Debian package has it.
var ErrMissing = errors.New("not installed")

// Oracle is a running decoder of other people. One request at a time.
type Oracle struct {
	Name string // "DCMTK" or "GDCM"
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
}

// libraries says how each program is built.
var libraries = []struct {
	name, source, header, deb string
	flags                     []string
}{
	{"DCMTK", "dcmtk.cc", "dcmtk/dcmdata/dctk.h", "libdcmtk-dev", []string{"-ldcmjpls", "-ldcmjpeg", "-ldcmdata", "-loflog", "-lofstd"}},
	{"GDCM", "gdcm.cc", "gdcm-3.0/gdcmImageReader.h", "libgdcm-dev", []string{"-I/usr/include/gdcm-3.0", "-lgdcmMSFF", "-lgdcmDSED", "-lgdcmCommon"}},
}

// Start builds both oracles in the folder dir and starts them. They end with ctx; Close waits for them. It returns an
// error that wraps ErrMissing where g++ or a library is not installed.
func Start(ctx context.Context, dir string) ([]*Oracle, error) {
	gxx, err := exec.LookPath("g++")
	if err != nil {
		return nil, fmt.Errorf("g++ is %w (Debian package g++)", ErrMissing)
	}
	for _, l := range libraries {
		if _, err := os.Stat(filepath.Join("/usr/include", l.header)); err != nil {
			return nil, fmt.Errorf("%s is %w (Debian package %s)", l.name, ErrMissing, l.deb)
		}
	}
	if err := os.CopyFS(dir, sources); err != nil {
		return nil, fmt.Errorf("write the oracles' sources: %w", err)
	}
	var all []*Oracle
	for _, l := range libraries {
		program := filepath.Join(dir, strings.ToLower(l.name))
		args := append([]string{"-O2", "-std=c++17", "-o", program, filepath.Join(dir, "programs", l.source)}, l.flags...)
		if out, err := exec.CommandContext(ctx, gxx, args...).CombinedOutput(); err != nil {
			Close(all)
			return nil, fmt.Errorf("build the oracle %s: %w\n%s", l.name, err, out)
		}
		o := &Oracle{Name: l.name, cmd: exec.CommandContext(ctx, program)}
		if o.in, err = o.cmd.StdinPipe(); err == nil {
			var out io.Reader
			if out, err = o.cmd.StdoutPipe(); err == nil {
				o.out = bufio.NewReader(out)
				err = o.cmd.Start()
			}
		}
		if err != nil {
			Close(all)
			return nil, fmt.Errorf("start the oracle %s: %w", l.name, err)
		}
		all = append(all, o)
	}
	return all, nil
}

// Close ends oracles and waits for them.
func Close(oracles []*Oracle) {
	for _, o := range oracles {
		_ = o.in.Close()
		_ = o.cmd.Wait()
	}
}

// ask sends a request and returns the processor time of a run and the size of the samples.
func (o *Oracle) ask(verb, argument, path string) (time.Duration, int, error) {
	if _, err := fmt.Fprintf(o.in, "%s %s %s\n", verb, argument, path); err != nil {
		return 0, 0, fmt.Errorf("ask %s: %w", o.Name, err)
	}
	line, err := o.out.ReadString('\n')
	if err != nil {
		return 0, 0, fmt.Errorf("%s ended at %s: %w", o.Name, filepath.Base(path), err)
	}
	fields := strings.Fields(line)
	if len(fields) == 3 && fields[0] == "ok" {
		ns, err1 := strconv.ParseInt(fields[1], 10, 64)
		size, err2 := strconv.Atoi(fields[2])
		if err1 == nil && err2 == nil {
			return time.Duration(ns), size, nil
		}
	}
	return 0, 0, fmt.Errorf("%s on %s: %s", o.Name, filepath.Base(path), strings.TrimSpace(line))
}

// Time reads and decodes a file the given number of times, on one core, and returns the processor time of one.
func (o *Oracle) Time(path string, runs int) (time.Duration, error) {
	took, _, err := o.ask("decode", strconv.Itoa(runs), path)
	return took, err
}

// Samples decodes a file. The samples of all frames lie one behind the other, little endian. scratch is a folder for a
// file that is removed again.
func (o *Oracle) Samples(path, scratch string) ([]byte, error) {
	f, err := os.CreateTemp(scratch, "samples")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, _, err := o.ask("write", f.Name(), path); err != nil {
		return nil, err
	}
	return io.ReadAll(f)
}
