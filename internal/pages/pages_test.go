package pages_test

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/tomocast/tomocast/internal/pages"
)

func take(t *testing.T, b *pages.Buffer, n int) []byte {
	t.Helper()
	p, err := b.Take(n)
	if err != nil || len(p) != n {
		t.Fatalf("%d bytes of %d: %v", len(p), n, err)
	}
	return p
}

// Memory of small files is used again; what a file has grown to keeps what was there, also on its way out of the heap.
func TestBuffer(t *testing.T) {
	var b pages.Buffer
	defer b.Free()
	first := take(t, &b, 1000)
	if next := take(t, &b, 800); &next[0] != &first[0] {
		t.Error("the memory of a small file was not used again")
	}
	have := 800
	copy(first, bytes.Repeat([]byte{1, 2, 3, 4}, have/4))
	for _, n := range []int{5000, pages.Large, 3 * pages.Large} {
		p, err := b.Resize(have, n)
		if err != nil || len(p) != n {
			t.Fatalf("%d bytes of %d: %v", len(p), n, err)
		}
		if !bytes.Equal(p[:have], bytes.Repeat([]byte{1, 2, 3, 4}, have/4)) {
			t.Errorf("%d bytes do not begin as before", n)
		}
		for i := have; i < n; i++ {
			p[i] = byte(1 + i%4)
		}
		have = n
	}
	if small := take(t, &b, 10); len(small) != 10 {
		t.Error("no small file after a large one")
	}
}

// What is given back of a large file reads as zeros; what lies around it stays. Memory of the heap is never touched.
func TestDiscard(t *testing.T) {
	var b pages.Buffer
	defer b.Free()
	small := take(t, &b, 1<<20)
	small[5000] = 7
	b.Discard(small)
	if small[5000] != 7 {
		t.Error("a small file was given back")
	}
	p := take(t, &b, pages.Large+100)
	for i := range p {
		p[i] = 7
	}
	q, err := b.More().Take(pages.Large)
	if err != nil {
		t.Fatal(err)
	}
	q[9000] = 7
	b.Discard(p[10_000:5_000_000])
	b.Discard(q[8000:])
	b.Discard(bytes.Repeat([]byte{1}, 10))
	b.Discard(nil)
	for _, i := range []int{0, 9_999, 5_000_000, len(p) - 1} {
		if p[i] != 7 {
			t.Errorf("byte %d was given back too", i)
		}
	}
	if runtime.GOOS == "linux" && (p[1_000_000] != 0 || q[9000] != 0) {
		t.Error("nothing was given back")
	}
}

func TestWithin(t *testing.T) {
	all := make([]byte, 100)
	for _, c := range []struct {
		part []byte
		at   int
	}{
		{all, 0}, {all[40:60:60], 40}, {all[99:], 99}, {all[100:], -1}, {nil, -1}, {make([]byte, 5), -1},
	} {
		if at := pages.Within(all, c.part); at != c.at {
			t.Errorf("%d bytes begin at %d, want %d", len(c.part), at, c.at)
		}
	}
	if pages.Within(all[10:20], all[5:15]) >= 0 || pages.Within(all[10:20], all) >= 0 {
		t.Error("memory is a part of its own part")
	}
}
