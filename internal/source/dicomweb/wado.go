package dicomweb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/pages"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/catalog"
)

const (
	// acceptStored asks for instances as they are stored. Without the asterisk servers transcode (PS3.18 8.7.3.5.2).
	acceptStored = typeMultipart + `; type="` + typeDICOM + `"; transfer-syntax=*`
	// acceptFiles asks for the files of a study that is no DICOM, which only our own server has.
	acceptFiles = typeMultipart + `; type="` + typeBytes + `"`
)

// Metadata is the instances of a series, sorted by InstanceNumber, then UID (PS3.18 10.4.1.1.2).
func (c *Client) Metadata(ctx context.Context, study, series string) ([]source.Instance, error) {
	const what = "get the series' metadata"
	if err := checkUIDs(study, series); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	var out []source.Instance
	seen := map[string]bool{}
	err := getList(ctx, c, request{what: what, elements: []string{"studies", study, "series", series, "metadata"}}, func(w *wireInstance) error {
		i := w.instance()
		if err := source.CheckUID("the SOP Instance UID", i.SOPInstanceUID); err != nil {
			return err
		}
		if seen[i.SOPInstanceUID] {
			return fmt.Errorf("the server lists the instance %s twice", i.SOPInstanceUID)
		}
		seen[i.SOPInstanceUID] = true
		out = append(out, i)
		return nil
	}, func() {
		out = nil
		clear(seen)
	})
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("%s: %w: the server has no instances of it", what, source.ErrNotFound)
	}
	source.SortInstances(out)
	return out, err
}

func checkUIDs(study, series string) error {
	return errors.Join(source.CheckUID("the study", study), source.CheckUID("the series", series))
}

// seriesStream is the instances of a series as one answer brings them.
type seriesStream struct {
	*answer
	in   *partReader
	what string
}

// openSeries asks once for all instances of a series in one answer, as they are stored (PS3.18 10.4.1.1.1).
func (c *Client) openSeries(ctx context.Context, study, series string) (*seriesStream, error) {
	const what = "retrieve the series"
	if err := checkUIDs(study, series); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	a, err := c.do(ctx, request{what: what, accept: acceptStored, elements: []string{"studies", study, "series", series}})
	if err != nil {
		return nil, err
	}
	boundary, err := multipartBoundary(a, what, typeDICOM)
	if err != nil {
		a.Close()
		return nil, err
	}
	return &seriesStream{answer: a, in: newPartReader(a.body, boundary, c.maxPart()), what: what}, nil
}

// next reads an instance into buf; io.EOF after the answer's proper end.
func (s *seriesStream) next(buf *pages.Buffer) (source.Object, error) {
	p, err := s.in.next(buf)
	if err != nil {
		if !errors.Is(err, io.EOF) {
			err = fmt.Errorf("%s: %w", s.what, err)
		}
		return source.Object{}, err
	}
	return source.Object{Name: partUID(&p), Data: p.data, Discard: buf.Discard}, nil
}

// partUID is the SOP Instance UID of a part, as its header or its file says; empty where neither does.
func partUID(p *part) string {
	if u, err := url.Parse(p.header["Content-Location"]); err == nil {
		if uid := path.Base(u.Path); source.CheckUID("", uid) == nil {
			return uid
		}
	}
	d, _ := dicom.Parse(p.data, dicom.Options{StopAtPixelData: true}) // what is damaged, the consumer says
	if d == nil {
		return ""
	}
	if uid := d.String(dicom.SOPInstanceUID); source.CheckUID("", uid) == nil {
		return uid
	}
	return d.Meta.String(dicom.MediaStorageSOPInstanceUID)
}

// RetrieveInstances fetches instances of a series one by one, begun in the order given, over at most workers connections
// and calls fn for each on the goroutine that fetched it. One that does not come is tried again; the others go on.
func (c *Client) RetrieveInstances(ctx context.Context, study, series string, uids []string, workers int, fn func(source.Object) error) error {
	errs := []error{checkUIDs(study, series)}
	for _, u := range uids {
		errs = append(errs, source.CheckUID("the instance", u))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("retrieve an instance: %w", err)
	}
	return catalog.Each(ctx, workers, len(uids), func(i int, buf *pages.Buffer) (source.Object, error) {
		return c.fetch(ctx, study, series, uids[i], acceptStored, buf)
	}, fn)
}

// fetch fetches an instance into buf, several times where that is needed.
func (c *Client) fetch(ctx context.Context, study, series, uid, accept string, buf *pages.Buffer) (o source.Object, err error) {
	err = c.again(ctx, func() (err error) {
		o, err = c.instance(ctx, study, series, uid, accept, buf)
		return err
	})
	return o, err
}

// instance fetches one instance into buf. It asks for a multipart answer, as every server must give one; some refuse a
// request that would also take the instance by itself.
func (c *Client) instance(ctx context.Context, study, series, uid, accept string, buf *pages.Buffer) (source.Object, error) {
	what := "retrieve the instance " + uid
	o := source.Object{Name: uid, Discard: buf.Discard}
	a, err := c.do(ctx, request{what: what, accept: accept, elements: []string{"studies", study, "series", series, "instances", uid}})
	if err != nil {
		return o, err
	}
	defer a.Close()
	kind := typeDICOM
	if accept == acceptFiles {
		kind = typeBytes
	}
	boundary, err := multipartBoundary(a, what, kind)
	if err != nil {
		return o, err
	}
	in := newPartReader(a.body, boundary, c.maxPart())
	p, err := in.next(buf)
	if errors.Is(err, io.EOF) {
		return o, &StatusError{Status: http.StatusOK, What: what, Instead: "without any part"}
	}
	if err != nil {
		return o, fmt.Errorf("%s: %w", what, err)
	}
	o.Data = p.data
	if kind == typeBytes {
		o.Media, _ = parseMedia(p.header["Content-Type"])
		o.Name = fileName(&p, uid)
		o.Files, err = c.files(in, int64(len(p.data)), buf)
	} else if _, err = in.nextReader(); err == nil {
		err = errors.New("the answer has more than one part")
	} else if errors.Is(err, io.EOF) {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", what, err)
	}
	return o, err
}

// files reads the further parts of a file that is no DICOM, which is in buf.
func (c *Client) files(in *partReader, have int64, buf *pages.Buffer) (map[string][]byte, error) {
	var out map[string][]byte
	for {
		p, err := in.next(buf.More())
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		name := fileName(&p, "")
		if have += int64(len(p.data)); have > c.maxPart() {
			return nil, in.tooLong()
		}
		if name == "" || out[name] != nil {
			return nil, errors.New("a further file has no name of its own")
		}
		if out == nil {
			out = map[string][]byte{}
		}
		out[name] = p.data
	}
}

// fileName is the name that a part's header gives its file (RFC 6266).
func fileName(p *part, otherwise string) string {
	if _, params, err := mime.ParseMediaType(p.header["Content-Disposition"]); err == nil && params["filename"] != "" {
		return params["filename"]
	}
	return otherwise
}
