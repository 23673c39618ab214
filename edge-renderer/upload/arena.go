package upload

import (
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

// blockBytes is how much memory an arena takes at a time: a machine allows a process some ten thousand mappings, and an
// upload may have more files.
const blockBytes = 32 << 20

// arena is memory outside the Go heap, which never comes to rest on a disk of ours and is wiped when it is freed. It
// is used by one goroutine at a time.
type arena struct {
	blocks [][]byte
	rest   []byte // of the last block
	bytes  int64  // of all blocks
}

// take returns n bytes of zeros.
func (a *arena) take(n int) ([]byte, error) {
	if n == 0 {
		return []byte{}, nil
	}
	if n > len(a.rest) {
		block, err := volume.NewPages(max(n, blockBytes))
		if err != nil {
			return nil, err
		}
		a.blocks = append(a.blocks, block)
		a.bytes += int64(len(block))
		if n == len(block) {
			return block, nil
		}
		a.rest = block
	}
	b := a.rest[:n:n]
	a.rest = a.rest[n:]
	return b, nil
}

// free wipes all memory and gives it back. What was taken must not be used any more.
func (a *arena) free() {
	for _, b := range a.blocks {
		volume.FreePages(b)
	}
	*a = arena{}
}
