package archive

import (
	"bufio"
	"compress/flate"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
)

// ErrDamaged: the bytes of an entry are not what the archive's directory says.
var ErrDamaged = errors.New("damaged in the archive")

// Open reads an entry. A stored one can be read from anywhere; of a deflated one, going back reads again from its
// beginning. One that is read from its beginning to its end is checked against its CRC. The memory that it takes does
// not depend on the entry's size.
func (e *Entry) Open(in io.ReaderAt) io.ReadSeeker {
	raw := io.NewSectionReader(in, e.Offset, e.Packed)
	if !e.Deflated {
		return &checked{ReadSeeker: raw, sum: crc32.NewIEEE(), entry: e}
	}
	return &inflated{entry: e, raw: raw}
}

// checked compares the sum of what is read with the entry's.
type checked struct {
	io.ReadSeeker
	sum   hash.Hash32 // nil after a jump
	at    int64
	entry *Entry
}

func (c *checked) Read(b []byte) (int, error) {
	n, err := c.ReadSeeker.Read(b)
	if c.sum != nil && n > 0 {
		c.sum.Write(b[:n])
		if c.at += int64(n); c.at == c.entry.Size && c.sum.Sum32() != c.entry.CRC {
			return n, fmt.Errorf("%w: its checksum is wrong", ErrDamaged)
		}
	}
	if errors.Is(err, io.EOF) && c.sum != nil && c.at < c.entry.Size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (c *checked) Seek(offset int64, whence int) (int64, error) {
	n, err := c.ReadSeeker.Seek(offset, whence)
	if c.at, c.sum = n, nil; n == 0 {
		c.sum = crc32.NewIEEE()
	}
	return n, err
}

// inflated reads a deflated entry.
type inflated struct {
	entry *Entry
	raw   *io.SectionReader
	out   io.ReadCloser // nil before the first read
	sum   hash.Hash32
	at    int64 // where out is
	want  int64 // where the reader is to be
}

func (i *inflated) Read(b []byte) (int, error) {
	if err := i.reach(); err != nil {
		return 0, err
	}
	n, err := i.read(b)
	i.want += int64(n)
	return n, err
}

// reach brings the stream to where the reader is to be.
func (i *inflated) reach() error {
	if i.out == nil || i.want < i.at {
		if _, err := i.raw.Seek(0, io.SeekStart); err != nil {
			return err
		}
		in := bufio.NewReaderSize(i.raw, 32<<10)
		if i.out == nil {
			i.out = flate.NewReader(in)
		} else if err := i.out.(flate.Resetter).Reset(in, nil); err != nil {
			return err
		}
		i.at, i.sum = 0, crc32.NewIEEE()
	}
	var skip [4 << 10]byte
	for i.at < i.want {
		if _, err := i.read(skip[:min(int64(len(skip)), i.want-i.at)]); err != nil {
			return err
		}
	}
	return nil
}

func (i *inflated) read(b []byte) (int, error) {
	rest := i.entry.Size - i.at
	if rest == 0 {
		return 0, io.EOF
	}
	n, err := i.out.Read(b[:min(int64(len(b)), rest)])
	i.sum.Write(b[:n])
	i.at += int64(n)
	switch {
	case i.at == i.entry.Size:
		if i.sum.Sum32() != i.entry.CRC {
			return n, fmt.Errorf("%w: its checksum is wrong", ErrDamaged)
		}
		return n, nil
	case errors.Is(err, io.EOF):
		return n, fmt.Errorf("%w: it has %d bytes of %d: %w", ErrDamaged, i.at, i.entry.Size, io.ErrUnexpectedEOF)
	case err != nil:
		return n, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	return n, nil
}

func (i *inflated) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += i.want
	case io.SeekEnd:
		offset += i.entry.Size
	}
	if offset < 0 {
		return i.want, errors.New("seek before the beginning")
	}
	i.want = min(offset, i.entry.Size)
	return offset, nil
}
