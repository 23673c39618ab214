package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// EndWithin is how long a program may take to end in order after a signal.
const EndWithin = 20 * time.Second

// together is the time within which signals count as one: Ctrl-C reaches a program from the terminal, and again from
// the script that started it.
const together = time.Second

// Main runs a program and ends the process. SIGTERM and SIGINT cancel run's context; a second one a while later, or
// [EndWithin] after the first, ends the process at once. The exit status is 0 after success and help, 2 after
// an [ErrUsage], that of an [ExitCoder], 1 after any other error, which is printed.
func Main(run func(ctx context.Context, args []string) error) {
	os.Exit(exitCode(runWithSignals(run, os.Args[1:])))
}

// ExitCoder is an error that ends the process with a status of its own, so that scripts can tell it from others.
type ExitCoder interface {
	error
	ExitCode() int
}

func exitCode(err error) int {
	var own ExitCoder
	switch {
	case err == nil || errors.Is(err, ErrHelp):
		return 0
	case errors.Is(err, ErrUsage):
		fmt.Fprintf(os.Stderr, "%v\n", err)
		return 2
	case errors.As(err, &own):
		fmt.Fprintf(os.Stderr, "%v\n", err)
		return own.ExitCode()
	}
	fmt.Fprintf(os.Stderr, "%v\n", err)
	return 1
}

func runWithSignals(run func(ctx context.Context, args []string) error, args []string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)

	done := make(chan error, 1)
	go func() { done <- run(ctx, args) }()
	select {
	case err := <-done:
		return err
	case <-signals:
		cancel()
	}
	first := time.Now()
	late := time.NewTimer(EndWithin)
	defer late.Stop()
	for {
		select {
		case err := <-done:
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		case <-signals:
			if time.Since(first) > together {
				return errors.New("ended at once by a second signal")
			}
		case <-late.C:
			return fmt.Errorf("did not end within %v after the signal", EndWithin)
		}
	}
}

// Part is a part of a program that runs until its context ends.
type Part struct {
	Name string
	Run  func(ctx context.Context) error
}

// Run runs the parts together and returns when all have ended. The first part that ends, for whatever
// reason, ends the others; its error, if any, is returned with its name.
func Run(ctx context.Context, parts ...Part) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		wait  sync.WaitGroup
		once  sync.Once
		first error
	)
	for _, p := range parts {
		wait.Go(func() {
			err := p.Run(ctx)
			ended := ctx.Err() != nil
			once.Do(func() {
				if err != nil && !(ended && errors.Is(err, context.Canceled)) {
					first = fmt.Errorf("%s: %w", p.Name, err)
				}
			})
			cancel()
		})
	}
	wait.Wait()
	return first
}
