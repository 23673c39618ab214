package pages

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// reserve maps pages. Memory is used up only where they are written.
func reserve(n int) ([]byte, error) {
	p, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("reserve %d MiB of memory for a file: %w", n>>20, err)
	}
	_ = unix.Madvise(p, unix.MADV_HUGEPAGE) // a large file is written as a whole: fewer faults, where the system has them
	return p, nil
}

func resize(p []byte, n int) ([]byte, error) {
	q, err := unix.Mremap(p, n, unix.MREMAP_MAYMOVE)
	if err != nil {
		return nil, fmt.Errorf("resize %d MiB of memory for a file to %d MiB: %w", len(p)>>20, n>>20, err)
	}
	return q, nil
}

// discard gives back the whole pages from a place to another.
func discard(p []byte, from, to int) {
	page := os.Getpagesize()
	from = (from + page - 1) / page * page
	if to < len(p) { // the last page is given back with the rest
		to = to / page * page
	}
	if from < to {
		_ = unix.Madvise(p[from:to], unix.MADV_DONTNEED) // it is only freed later where it fails
	}
}

func free(p []byte) { _ = unix.Munmap(p) } // fails only for what was never mapped
