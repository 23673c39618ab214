package dicomweb

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/tomocast/tomocast/internal/pages"
	"github.com/tomocast/tomocast/internal/source"
)

// errTruncated: the answer ended before its last part did.
var errTruncated = errors.New("the answer ends in the middle; the connection or the server broke off")

const (
	maxPreamble = 64 << 10 // bytes before the first part
	maxHeader   = 64       // lines of a part's header
	readBuffer  = 64 << 10
)

// partReader reads a multipart body (RFC 2046 5.1). Where a part says how long it is, it is read straight into
// place, which is what makes this faster than mime/multipart.
type partReader struct {
	in      *bufio.Reader
	delim   []byte // CR LF and the boundary with its two dashes
	maxPart int64
	number  int  // of the part that was read last, counted from 1
	started bool // the first boundary has been read
	open    *partStream
}

func newPartReader(in io.Reader, boundary string, maxPart int64) *partReader {
	return &partReader{in: bufio.NewReaderSize(in, readBuffer), delim: []byte("\r\n--" + boundary), maxPart: maxPart}
}

// part is one part of a body.
type part struct {
	header map[string]string // by canonical name
	data   []byte
}

// next reads a part into buf; io.EOF after the last one.
func (p *partReader) next(buf *pages.Buffer) (part, error) {
	if !p.started {
		if err := p.preamble(); err != nil {
			return part{}, err
		}
		p.started = true
	}
	if last, err := p.lineEnd(); err != nil || last {
		if err == nil {
			err = io.EOF
		}
		return part{}, err
	}
	p.number++
	header, err := p.header()
	if err != nil {
		return part{}, p.fault(err)
	}
	if text, ok := header["Content-Length"]; ok {
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil || n < 0 {
			return part{}, p.fault(fmt.Errorf("its Content-Length is no length: %.20q", text))
		}
		data, err := p.sized(buf, n)
		return part{header, data}, p.fault(err)
	}
	data, err := p.unsized(buf)
	return part{header, data}, p.fault(err)
}

// nextReader begins a part that is read as a stream; io.EOF after the last one. What is left of the part before is read
// over. The stream's errors are those of the body: a part that is longer than allowed, or that does not end.
func (p *partReader) nextReader() (io.Reader, error) {
	if p.open != nil {
		if _, err := io.Copy(io.Discard, p.open); err != nil {
			return nil, err
		}
		p.open = nil
	}
	if !p.started {
		if err := p.preamble(); err != nil {
			return nil, err
		}
		p.started = true
	}
	last, err := p.lineEnd()
	if err != nil {
		return nil, err
	}
	if last {
		return nil, io.EOF
	}
	p.number++
	header, err := p.header()
	if err != nil {
		return nil, p.fault(err)
	}
	p.open = &partStream{in: p, left: -1}
	if text, ok := header["Content-Length"]; ok {
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil || n < 0 {
			return nil, p.fault(fmt.Errorf("its Content-Length is no length: %.20q", text))
		}
		if n > p.maxPart {
			return nil, p.fault(p.tooLong())
		}
		p.open.left = n
	}
	return p.open, nil
}

// partStream reads one part, and the boundary behind it.
type partStream struct {
	in   *partReader
	left int64 // -1 where the part does not say its length
	read int64
	end  error
}

func (s *partStream) Read(b []byte) (int, error) {
	if s.end != nil {
		return 0, s.end
	}
	n, err := s.next(b)
	if s.read += int64(n); s.read > s.in.maxPart {
		err = s.in.fault(s.in.tooLong())
	}
	s.end = err
	return n, err
}

func (s *partStream) next(b []byte) (int, error) {
	p := s.in
	if s.left > 0 {
		n, err := p.in.Read(b[:min(int64(len(b)), s.left)])
		s.left -= int64(n)
		return n, noEOF(err)
	}
	window, err := p.in.Peek(max(p.in.Buffered(), len(p.delim)))
	i := bytes.Index(window, p.delim)
	switch {
	case i == 0:
		if _, err := p.in.Discard(len(p.delim)); err != nil {
			return 0, err
		}
		return 0, io.EOF
	case s.left == 0 && err == nil:
		return 0, p.fault(errors.New("it is not as long as its Content-Length says"))
	case i < 0 && err != nil:
		return 0, noEOF(err)
	case i < 0:
		i = len(window) - len(p.delim) + 1 // what follows may be the beginning of the boundary
	}
	n := copy(b, window[:i])
	_, err = p.in.Discard(n)
	return n, err
}

func (p *partReader) fault(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("part %d of the answer: %w", p.number, err)
}

// preamble reads up to and with the first boundary, which may stand at the very beginning.
func (p *partReader) preamble() error {
	for read := 0; read < maxPreamble; {
		line, err := p.in.ReadSlice('\n')
		if bytes.HasPrefix(line, p.delim[2:]) {
			// The rest of this line is for lineEnd.
			rest := bytes.Clone(line[len(p.delim)-2:])
			p.in = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(rest), p.in), readBuffer)
			return nil
		}
		read += len(line)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return noEOF(err)
		}
	}
	return errors.New("the answer has no part: its boundary does not come")
}

// lineEnd reads what follows a boundary, and says whether it was the last one.
func (p *partReader) lineEnd() (last bool, err error) {
	two, err := p.in.Peek(2)
	if err != nil {
		return false, noEOF(err)
	}
	if string(two) == "--" {
		return true, nil
	}
	line, err := p.in.ReadSlice('\n')
	if err != nil {
		return false, noEOF(err)
	}
	if len(bytes.TrimSpace(line)) != 0 {
		return false, errors.New("the answer has something behind a boundary that does not belong there")
	}
	return false, nil
}

func (p *partReader) header() (map[string]string, error) {
	header := map[string]string{}
	for range maxHeader {
		line, err := p.in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return nil, errors.New("a line of its header is too long")
		}
		if err != nil {
			return nil, noEOF(err)
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return header, nil
		}
		name, value, ok := strings.Cut(string(line), ":")
		if !ok {
			return nil, fmt.Errorf("a line of its header has no colon: %.40q", line)
		}
		header[textproto.CanonicalMIMEHeaderKey(name)] = strings.TrimSpace(value)
	}
	return nil, fmt.Errorf("its header has more than %d lines", maxHeader)
}

// sized reads a part that says its length, and the boundary behind it. Memory is used up as bytes come, so that a
// length alone costs nothing.
func (p *partReader) sized(buf *pages.Buffer, n int64) ([]byte, error) {
	if n > p.maxPart {
		return nil, p.tooLong()
	}
	step := n // pages that are not written are no memory
	if n < pages.Large {
		step = min(n, 1<<20)
	}
	data, err := buf.Take(int(step))
	for begin := 0; err == nil; {
		if _, err := io.ReadFull(p.in, data[begin:]); err != nil {
			return nil, noEOF(err)
		}
		if begin = len(data); int64(begin) == n {
			break
		}
		data, err = buf.Resize(begin, int(min(n, 4*int64(begin))))
	}
	if err != nil {
		return nil, err
	}
	behind, err := p.in.Peek(len(p.delim))
	if err != nil {
		return nil, noEOF(err)
	}
	if !bytes.Equal(behind, p.delim) {
		return nil, errors.New("it is not as long as its Content-Length says")
	}
	_, err = p.in.Discard(len(p.delim))
	return data, err
}

// unsized reads up to and with the next boundary.
func (p *partReader) unsized(buf *pages.Buffer) ([]byte, error) {
	data, err := buf.Take(readBuffer)
	if err != nil {
		return nil, err
	}
	have := 0
	add := func(b []byte) error {
		if int64(have+len(b)) > p.maxPart {
			return p.tooLong()
		}
		if have+len(b) > len(data) {
			if data, err = buf.Resize(have, int(min(2*int64(have+len(b)), max(p.maxPart, readBuffer)))); err != nil {
				return err
			}
		}
		have += copy(data[have:], b)
		_, err := p.in.Discard(len(b))
		return err
	}
	for {
		// Everything that is there, but enough for the boundary to be seen.
		window, err := p.in.Peek(max(p.in.Buffered(), len(p.delim)))
		if i := bytes.Index(window, p.delim); i >= 0 {
			if err := add(window[:i]); err != nil {
				return nil, err
			}
			_, err = p.in.Discard(len(p.delim))
			return data[:have:have], err
		}
		if err != nil {
			return nil, noEOF(err)
		}
		sure := len(window) - len(p.delim) + 1 // what follows may be the beginning of the boundary
		if err := add(window[:sure]); err != nil {
			return nil, err
		}
	}
}

func (p *partReader) tooLong() error {
	return fmt.Errorf("it is longer than the %d bytes allowed: %w", p.maxPart, source.ErrLimit)
}

// noEOF makes an end where none should be an error.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTruncated
	}
	return err
}

// multipartBoundary is the boundary of a multipart answer of parts of a kind. Its error says what the answer is instead.
func multipartBoundary(a *answer, what, kind string) (string, error) {
	media, params := parseMedia(a.Header.Get("Content-Type"))
	switch {
	case media != typeMultipart:
		return "", instead(a, what, "DICOM instances")
	case params["type"] != "" && params["type"] != kind:
		return "", &StatusError{Status: a.StatusCode, What: what, Instead: fmt.Sprintf("with parts of type %.60q instead of %s", params["type"], kind)}
	case params["boundary"] == "" || len(params["boundary"]) > 200:
		return "", &StatusError{Status: a.StatusCode, What: what, Instead: "without a usable multipart boundary"}
	}
	return params["boundary"], nil
}

// describe names a content type in a message.
func describe(contentType string) string {
	if contentType == "" {
		return "something without a content type"
	}
	return fmt.Sprintf("%.60q", contentType)
}
