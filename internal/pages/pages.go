// Package pages is memory that files are read into, one after the other. Small files lie in the heap, in memory that is
// used again and again. Large ones lie outside of it, in pages that their reader gives back piece by piece, so that a
// file and what is made of it need not stand in memory as a whole at the same time; nor does the garbage collector let
// the heap grow to twice its size for their sake.
package pages

import "unsafe"

// Large is the size in bytes from which on a file lies in pages of its own.
const Large = 32 << 20

// Buffer is memory for one file at a time. The zero value is ready; Free ends its use. It is for one goroutine, but for
// Discard.
type Buffer struct {
	heap []byte
	own  []byte    // pages outside the heap; nil where there are none
	more []*Buffer // of files that belong to the one here
}

// Take is n bytes for the next file. What they hold is undefined. What was taken before is no longer valid.
func (b *Buffer) Take(n int) ([]byte, error) {
	for _, m := range b.more {
		m.Free()
	}
	b.more = nil
	b.release()
	return b.Resize(0, n)
}

// Resize is n bytes for the same file, of which the first ones are those that were taken; have says how many of them
// count. What was taken before is no longer valid.
func (b *Buffer) Resize(have, n int) ([]byte, error) {
	switch {
	case b.own != nil && n <= len(b.own):
		return b.own[:n], nil
	case b.own != nil:
		grown, err := resize(b.own, n)
		if err != nil {
			return nil, err
		}
		b.own = grown
		return grown, nil
	case n <= cap(b.heap):
		return b.heap[:n], nil
	case n < Large:
		grown := make([]byte, n)
		copy(grown, b.heap[:have])
		b.heap = grown
		return grown, nil
	}
	own, err := reserve(n)
	if err != nil {
		return nil, err
	}
	copy(own, b.heap[:have])
	b.own, b.heap = own, nil
	return own, nil
}

// More is a further buffer, for a file that belongs to the one here and is valid as long.
func (b *Buffer) More() *Buffer {
	m := &Buffer{}
	b.more = append(b.more, m)
	return m
}

// Discard gives back the memory of a part of what was taken, as far as it makes whole pages outside the heap. The part
// must not be used any more.
func (b *Buffer) Discard(part []byte) {
	for _, m := range b.more {
		m.Discard(part)
	}
	if at := Within(b.own, part); at >= 0 {
		discard(b.own, at, at+len(part))
	}
}

// Free gives everything back. What was taken is no longer valid.
func (b *Buffer) Free() {
	for _, m := range b.more {
		m.Free()
	}
	b.release()
	b.heap, b.more = nil, nil
}

func (b *Buffer) release() {
	if b.own != nil {
		free(b.own)
		b.own = nil
	}
}

// Within is where a part of some memory begins in it; -1 where it is no part of it.
func Within(all, part []byte) int {
	if len(all) == 0 || len(part) == 0 {
		return -1
	}
	from, at := uintptr(unsafe.Pointer(unsafe.SliceData(all))), uintptr(unsafe.Pointer(unsafe.SliceData(part)))
	if at < from || at-from > uintptr(len(all)-len(part)) || len(part) > len(all) {
		return -1
	}
	return int(at - from)
}
