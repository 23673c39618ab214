package research

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strconv"
)

// newGzip reads gzip (RFC 1952). Nothing is unpacked that nobody reads, so a bomb cannot go off.
func newGzip(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }

// maxNumber bounds a number in text, characters.
const maxNumber = 64

// asciiReader makes samples, little endian, of numbers in text.
type asciiReader struct {
	words *bufio.Scanner
	kind  Type
	rest  []byte
	one   [8]byte
}

func newASCIIReader(r io.Reader, kind Type) *asciiReader {
	a := &asciiReader{words: bufio.NewScanner(r), kind: kind}
	a.words.Buffer(make([]byte, 4096), 64<<10)
	a.words.Split(bufio.ScanWords)
	return a
}

func (a *asciiReader) Read(b []byte) (n int, err error) {
	for n < len(b) {
		if len(a.rest) == 0 {
			if !a.words.Scan() {
				if errors.Is(a.words.Err(), bufio.ErrTooLong) {
					return n, damaged("its data is no text with numbers")
				}
				return n, errors.Join(a.words.Err(), io.EOF)
			}
			if err := a.number(a.words.Text()); err != nil {
				return n, err
			}
		}
		k := copy(b[n:], a.rest)
		a.rest = a.rest[k:]
		n += k
	}
	return n, nil
}

// number puts a number into rest.
func (a *asciiReader) number(word string) error {
	if len(word) > maxNumber {
		return damaged("%.20q… is no number", word)
	}
	a.rest = a.one[:a.kind.Bytes()]
	le := binary.LittleEndian
	if a.kind == Float32 || a.kind == Float64 {
		f, err := strconv.ParseFloat(word, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return damaged("%q is no number", word)
		}
		if a.kind == Float32 {
			le.PutUint32(a.one[:], math.Float32bits(float32(f)))
		} else {
			le.PutUint64(a.one[:], math.Float64bits(f))
		}
		return nil
	}
	bits := 8 * a.kind.Bytes()
	var u uint64
	var err error
	switch a.kind {
	case Uint8, Uint16, Uint32, Uint64:
		u, err = strconv.ParseUint(word, 10, bits)
	default:
		var i int64
		i, err = strconv.ParseInt(word, 10, bits)
		u = uint64(i)
	}
	if err != nil {
		return damaged("%q is no number of type %v", word, a.kind)
	}
	le.PutUint64(a.one[:], u)
	return nil
}
