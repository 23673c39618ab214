package dicomweb

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
)

const (
	// maxRetrieve is how many instances one request may retrieve.
	maxRetrieve = 100_000
	// partTime is how long a client may take for one part before the connection is given up.
	partTime = 2 * time.Minute
	// metadataBatch is how many headers are read before they are written, so that memory is bounded.
	metadataBatch = 32
)

// items is the instances that a path names.
func (s *server) items(i ids) ([]source.Stored, error) {
	found, total := s.Store.FindInstances(i.query(), maxRetrieve)
	switch {
	case total == 0:
		return nil, notFound(i)
	case total > maxRetrieve:
		return nil, newProblem(http.StatusRequestEntityTooLarge,
			fmt.Sprintf("It has %d instances, of which one request may retrieve %d; retrieve its series one by one.", total, maxRetrieve))
	}
	return found, nil
}

// retrieve sends instances (PS3.18 10.4.1.1.1).
func (s *server) retrieve(w http.ResponseWriter, r *http.Request, i ids) error {
	items, err := s.items(i)
	if err != nil {
		return err
	}
	parts, err := negotiate(r, items, i.instance != "")
	if err != nil {
		return err
	}
	if !parts {
		return s.sendInstance(w, r, items[0])
	}
	if err := check(items); err != nil {
		return err
	}
	s.sendParts(w, r, items)
	return nil
}

// check finds what is missing or has changed before the first byte is sent, when it can still be said.
func check(items []source.Stored) error {
	for _, f := range items {
		if err := f.File.Check(); err != nil {
			return err
		}
		for _, b := range f.File.Beside() {
			if err := b.Check(); err != nil {
				return err
			}
		}
	}
	return nil
}

// sendInstance sends one instance by itself; conditions and byte ranges work.
func (s *server) sendInstance(w http.ResponseWriter, r *http.Request, f source.Stored) error {
	in, err := f.File.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	h := w.Header()
	h.Set("Content-Type", contentType(f))
	h.Set("Cache-Control", "private, no-cache")
	h.Set("ETag", `"`+source.HashUID(f.Instance.SOPInstanceUID)+"-"+
		strconv.FormatInt(f.File.ModTime().UnixNano(), 36)+"-"+strconv.FormatInt(f.File.Size(), 36)+`"`)
	s.deadline(w)
	http.ServeContent(w, r, "", f.File.ModTime(), in)
	return nil
}

// contentType is an instance's media type with the transfer syntax that it is stored in.
func contentType(f source.Stored) string {
	switch {
	case f.Instance.Media != "":
		return f.Instance.Media
	case f.Instance.TransferSyntaxUID == "":
		return typeDICOM
	}
	return typeDICOM + "; transfer-syntax=" + f.Instance.TransferSyntaxUID
}

// sentPart is a file that is sent as one part.
type sentPart struct {
	head string
	file source.File
}

// parts is what is sent of instances: a file of each, and those that belong to a research file behind it, with their
// names.
func parts(base, boundary string, items []source.Stored) []sentPart {
	var out []sentPart
	add := func(kind, more string, file source.File) {
		out = append(out, sentPart{"\r\n--" + boundary + "\r\nContent-Type: " + kind +
			"\r\nContent-Length: " + strconv.FormatInt(file.Size(), 10) + "\r\n" + more + "\r\n\r\n", file})
	}
	named := func(name string) string {
		return "Content-Disposition: " + mime.FormatMediaType("attachment", map[string]string{"filename": name})
	}
	for _, f := range items {
		at := "Content-Location: " + retrieveURL(base, f.Study.StudyInstanceUID, f.Series.SeriesInstanceUID, f.Instance.SOPInstanceUID)
		if f.Instance.Media == "" {
			add(contentType(f), at, f.File)
			continue
		}
		add(contentType(f), at+"\r\n"+named(f.Instance.Name), f.File)
		beside := f.File.Beside()
		for _, name := range slices.Sorted(maps.Keys(beside)) {
			add(typeBytes, named(name), beside[name])
		}
	}
	return out
}

// sendParts sends instances one after the other, straight from their files. Its length is told beforehand, which
// lets the system copy the files into the connection, and lets the client see when it did not get everything: where
// a file changes meanwhile, the connection is closed.
func (s *server) sendParts(w http.ResponseWriter, r *http.Request, items []source.Stored) {
	boundary := rand.Text()
	list := parts(s.base(r), boundary, items)
	end := "\r\n--" + boundary + "--\r\n"
	length := int64(len(end))
	for _, p := range list {
		length += int64(len(p.head)) + p.file.Size()
	}
	kind := typeDICOM
	if items[0].Instance.Media != "" {
		kind = typeBytes
	}
	w.Header().Set("Content-Type", fmt.Sprintf(`%s; type="%s"; boundary=%s`, typeMultipart, kind, boundary))
	w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
	if r.Method == http.MethodHead {
		return
	}
	for _, p := range list {
		s.deadline(w)
		if err := sendPart(w, p); err != nil {
			s.abort(r, items[0], err)
		}
	}
	if _, err := io.WriteString(w, end); err != nil {
		s.abort(r, items[0], err)
	}
}

func sendPart(w http.ResponseWriter, p sentPart) error {
	in, err := p.file.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := io.WriteString(w, p.head); err != nil {
		return err
	}
	n, err := io.Copy(w, in)
	if err == nil && n != p.file.Size() {
		err = source.ErrChanged
	}
	return err
}

// abort closes the connection in the middle of an answer, so that nobody takes it for whole.
func (s *server) abort(r *http.Request, f source.Stored, err error) {
	if r.Context().Err() == nil {
		s.Logger.Warn("DICOMweb answer broken off", "study", source.HashUID(f.Study.StudyInstanceUID),
			"cause", cause(err))
	}
	panic(http.ErrAbortHandler)
}

// deadline gives the client time for the next part, whatever the server's limit for a whole answer is.
func (s *server) deadline(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(partTime)) // not every writer has one
}

// metadata sends instances without their bulk data (PS3.18 10.4.1.1.2). Headers are read from the files, several at
// a time, since the index has only part of them.
func (s *server) metadata(w http.ResponseWriter, r *http.Request, i ids) error {
	if !acceptsJSON(r) {
		return newProblem(http.StatusNotAcceptable, "Metadata is sent as application/dicom+json.")
	}
	items, err := s.items(i)
	if err != nil {
		return err
	}
	if err := check(items); err != nil {
		return err
	}
	base := s.base(r)
	var out *listWriter
	for len(items) > 0 {
		batch := items[:min(len(items), metadataBatch)]
		items = items[len(batch):]
		texts, err := readMetadata(r.Context(), base, batch)
		if err != nil && out == nil {
			return err
		}
		if err != nil {
			s.abort(r, batch[0], err)
		}
		s.deadline(w)
		if out == nil {
			w.Header().Set("Content-Type", typeJSON)
			if r.Method == http.MethodHead {
				return nil
			}
			out = newListWriter(w)
		}
		for _, t := range texts {
			if err := out.add(t); err != nil {
				return nil // the client is gone
			}
		}
	}
	_ = out.close()
	return nil
}

// readMetadata is the metadata of instances as JSON, in their order.
func readMetadata(ctx context.Context, base string, batch []source.Stored) ([][]byte, error) {
	texts := make([][]byte, len(batch))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, f := range batch {
		g.Go(func() (err error) {
			if err = ctx.Err(); err == nil {
				texts[i], err = instanceMetadata(base, f)
			}
			return err
		})
	}
	return texts, g.Wait()
}

func instanceMetadata(base string, f source.Stored) ([]byte, error) {
	if f.Instance.Media != "" { // a research file has only what the index made of it
		d := result()
		setStudy(d, f.Study)
		setSeries(d, f)
		setInstance(d, f)
		return appendDataset(nil, d), nil
	}
	in, err := f.File.Open()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	d, err := dicom.Read(in, dicom.Options{StopAtPixelData: true})
	if d == nil { // a damaged file's metadata is what could be read of it
		return nil, err
	}
	// What the path says is what the client goes on with.
	d.SetString(dicom.SOPInstanceUID, dicom.UI, f.Instance.SOPInstanceUID)
	d.SetString(availableTransferSyntax, dicom.UI, f.Instance.TransferSyntaxUID)
	d.SetString(dicom.RetrieveURL, dicom.UR,
		retrieveURL(base, f.Study.StudyInstanceUID, f.Series.SeriesInstanceUID, f.Instance.SOPInstanceUID))
	return appendDataset(make([]byte, 0, 8<<10), d), nil
}
