package dicomweb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tomocast/tomocast/internal/source"
)

// Bounds of what a client takes from a server.
const (
	// DefaultMaxPart is the longest instance, bytes.
	DefaultMaxPart = 1 << 30
	// DefaultIdle is how long a server may send nothing before it is given up.
	DefaultIdle = 30 * time.Second

	maxMetadata  = 512 << 20 // bytes of an answer in JSON
	maxErrorBody = 4 << 10
)

// Client fetches studies from a DICOMweb server. Its fields must not change while it is used; it may be used by
// many goroutines.
type Client struct {
	// BaseURL is the address of the service's root, below which /studies is.
	BaseURL string
	// Bearer is the token to log in with; empty for none.
	Bearer string
	// HTTPClient sends the requests; nil for one that is made for large answers. In either case a redirection to
	// another host is not followed.
	HTTPClient *http.Client
	// Separately has the series of Source fetch instances one by one, over as many connections as there are workers,
	// instead of all in one answer. That is faster over a long way, where one connection is slow, and from servers
	// that prepare each answer.
	Separately bool
	// MaxPart is the longest instance accepted, bytes; 0 for DefaultMaxPart.
	MaxPart int64
	// Idle is how long the server may send nothing; 0 for DefaultIdle.
	Idle time.Duration
}

// transport is for large answers over few connections. It does not ask for compression: pixels gain little by it.
var transport = sync.OnceValue(func() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConns:          64,
		MaxIdleConnsPerHost:   16,
		ReadBufferSize:        readBuffer,
		DisableCompression:    true,
	}
})

// StatusError is a server's refusal.
type StatusError struct {
	Status int
	// What was asked for, and what to do about it.
	What, Advice string
	// Detail is what the server said about it; empty where it said nothing readable.
	Detail string
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("%s: the DICOMweb server answered %d %s", e.What, e.Status, http.StatusText(e.Status))
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	if e.Advice != "" {
		s += "; " + e.Advice
	}
	return s
}

// Unwrap makes errors.Is(err, source.ErrNotFound) true for 404 and 410, and ErrUnauthenticated and ErrForbidden
// for 401 and 403.
func (e *StatusError) Unwrap() error {
	switch e.Status {
	case http.StatusNotFound, http.StatusGone:
		return source.ErrNotFound
	case http.StatusUnauthorized:
		return ErrUnauthenticated
	case http.StatusForbidden:
		return ErrForbidden
	}
	return nil
}

// advice is what to do about a status.
func advice(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return "log in again: the token is missing, expired or not for this server"
	case status == http.StatusForbidden:
		return "the token does not open this study"
	case status == http.StatusNotFound, status == http.StatusGone:
		return "check the UIDs and the address of the service"
	case status == http.StatusNotAcceptable:
		return "the server can't send the instances as they are stored"
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return "the server is busy: try again later"
	case status >= 500:
		return "the server failed: try again, and look into its log when it stays so"
	case status >= 300 && status < 400:
		return "it redirects to another place, which is not followed: give the final address"
	}
	return ""
}

// answer is a response whose body is being read.
type answer struct {
	*http.Response
	body   io.Reader
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

// Close ends the request, finished or not.
func (a *answer) Close() {
	a.timer.Stop()
	a.Body.Close()
	a.cancel(nil)
}

// errIdle ends a request whose server sends nothing.
var errIdle = errors.New("the server sends nothing any more; try again")

// get asks for something below the base address. The answer's status is 200. what names it in errors.
func (c *Client) get(ctx context.Context, what, accept string, elements ...string) (*answer, error) {
	u, err := url.Parse(c.BaseURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%s: the DICOMweb address is no http or https URL; correct the source's configuration", what)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	idle := c.Idle
	if idle <= 0 {
		idle = DefaultIdle
	}
	timer := time.AfterFunc(idle, func() { cancel(errIdle) })
	fail := func(err error) (*answer, error) {
		timer.Stop()
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		cancel(nil)
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // without the address, in which the UIDs are
		}
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.JoinPath(elements...).String(), nil)
	if err != nil {
		return fail(err)
	}
	req.Header.Set("Accept", accept)
	if c.Bearer != "" {
		req.Header.Set("Authorization", "Bearer "+c.Bearer)
	}
	resp, err := c.client().Do(req)
	if err != nil {
		return fail(err)
	}
	timer.Stop()
	a := &answer{Response: resp, cancel: cancel, timer: timer}
	a.body = &idleReader{ctx: ctx, in: resp.Body, timer: timer, idle: idle}
	if resp.StatusCode != http.StatusOK {
		defer a.Close()
		return nil, &StatusError{Status: resp.StatusCode, What: what, Advice: advice(resp.StatusCode), Detail: detail(a)}
	}
	return a, nil
}

// client is the HTTP client, with its redirections bound to the host that was asked.
func (c *Client) client() *http.Client {
	h := http.Client{Transport: transport()}
	if c.HTTPClient != nil {
		h = *c.HTTPClient
	}
	h.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if len(via) > 3 || req.URL.Host != via[0].URL.Host || req.URL.Scheme != via[0].URL.Scheme {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return &h
}

// detail is what a server says about its refusal, where that is a problem of RFC 9457 or plain text.
func detail(a *answer) string {
	media, _ := parseMedia(a.Header.Get("Content-Type"))
	body, err := io.ReadAll(io.LimitReader(a.body, maxErrorBody))
	if err != nil && len(body) == 0 {
		return ""
	}
	var text string
	switch media {
	case "application/problem+json", "application/json":
		var p struct{ Detail, Title, Message string }
		if json.Unmarshal(body, &p) == nil {
			for _, s := range []string{p.Detail, p.Message, p.Title} {
				if text == "" {
					text = s
				}
			}
		}
	case "text/plain":
		text = string(body)
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	if r := []rune(text); len(r) > 300 {
		text = string(r[:300]) + "…"
	}
	return text
}

// idleReader ends a request when nothing comes for some time.
type idleReader struct {
	ctx   context.Context
	in    io.Reader
	timer *time.Timer
	idle  time.Duration
}

func (r *idleReader) Read(b []byte) (int, error) {
	// Only the server's time counts, not that of the one who reads.
	r.timer.Reset(r.idle)
	n, err := r.in.Read(b)
	r.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		if cause := context.Cause(r.ctx); cause != nil {
			err = cause
		}
	}
	return n, err
}

// QuerySeries is the series of a study (PS3.18 10.6).
func (c *Client) QuerySeries(ctx context.Context, study string) ([]source.SeriesInfo, error) {
	const what = "search the study's series"
	if err := source.CheckUID("the study", study); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	var out []source.SeriesInfo
	err := getList(ctx, c, what, func(s *wireSeries) error {
		info := s.info()
		if err := source.CheckUID("the Series Instance UID", info.SeriesInstanceUID); err != nil {
			return err
		}
		out = append(out, info)
		return nil
	}, "studies", study, "series")
	return out, err
}

// Metadata is the instances of a series, sorted by InstanceNumber, then UID (PS3.18 10.4.1.1.2).
func (c *Client) Metadata(ctx context.Context, study, series string) ([]source.Instance, error) {
	const what = "get the series' metadata"
	if err := checkUIDs(study, series); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	var out []source.Instance
	seen := map[string]bool{}
	err := getList(ctx, c, what, func(w *wireInstance) error {
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
	}, "studies", study, "series", series, "metadata")
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("%s: %w: the server has no instances of it", what, source.ErrNotFound)
	}
	source.SortInstances(out)
	return out, err
}

func checkUIDs(study, series string) error {
	return errors.Join(source.CheckUID("the study", study), source.CheckUID("the series", series))
}

// getList reads an array of data sets in the DICOM JSON model, one at a time.
func getList[T any](ctx context.Context, c *Client, what string, each func(*T) error, elements ...string) error {
	a, err := c.get(ctx, what, typeJSON, elements...)
	var status *StatusError
	if errors.As(err, &status) && status.Status == http.StatusNoContent {
		return nil // nothing was found (PS3.18 10.6.3.2)
	}
	if err != nil {
		return err
	}
	defer a.Close()
	if media, _ := parseMedia(a.Header.Get("Content-Type")); media != typeJSON && media != "application/json" {
		return fmt.Errorf("%s: the server answered with %s instead of %s; check that the address is that of a DICOMweb service",
			what, describe(a.Header.Get("Content-Type")), typeJSON)
	}
	if err := decodeList(a.body, maxMetadata, each); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// RetrieveSeries fetches all instances of a series in one answer, as they are stored (PS3.18 10.4.1.1.1), and calls
// fn for each from at most workers goroutines at a time, while the next ones arrive. It returns the number of
// instances that came; nil only after the answer's proper end.
func (c *Client) RetrieveSeries(ctx context.Context, study, series string, workers int, fn func(source.Object) error) (int, error) {
	const what = "retrieve the series"
	if err := checkUIDs(study, series); err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	a, err := c.get(ctx, what, acceptStored, "studies", study, "series", series)
	if err != nil {
		return 0, err
	}
	defer a.Close()
	boundary, err := multipartBoundary(a.Header.Get("Content-Type"))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	in := newPartReader(a.body, boundary, c.maxPart())
	err = spread(ctx, workers, func(buf []byte) (source.Object, error) {
		p, err := in.next(buf)
		return source.Object{Name: partName(&p, in.number), Data: p.data}, err
	}, func() { a.cancel(context.Canceled) }, fn)
	if err != nil {
		err = fmt.Errorf("%s: %w", what, err)
	}
	return in.number, err
}

// acceptStored asks for instances as they are stored. Without the asterisk servers transcode (PS3.18 8.7.3.5.2).
const acceptStored = typeMultipart + `; type="` + typeDICOM + `"; transfer-syntax=*`

func (c *Client) maxPart() int64 {
	if c.MaxPart > 0 {
		return c.MaxPart
	}
	return DefaultMaxPart
}

// partName is how to name a part: by the instance's UID where the server says it.
func partName(p *part, number int) string {
	if u, err := url.Parse(p.header["Content-Location"]); err == nil {
		if uid := path.Base(u.Path); source.CheckUID("", uid) == nil {
			return uid
		}
	}
	return fmt.Sprintf("part %d", number)
}

// spread reads objects one after the other into buffers that are used again, and has workers deal with them. read
// returns io.EOF after the last one. At an error abort is called, which must end a read that is under way.
func spread(ctx context.Context, workers int, read func(buf []byte) (source.Object, error), abort func(), fn func(source.Object) error) error {
	workers = max(workers, 1)
	g, ctx := errgroup.WithContext(ctx)
	defer context.AfterFunc(ctx, abort)()
	jobs := make(chan source.Object)
	free := make(chan []byte, workers+1) // one for each worker, one to read into meanwhile
	for range cap(free) {
		free <- nil
	}
	g.Go(func() error {
		defer close(jobs)
		for {
			var buf []byte
			select {
			case buf = <-free:
			case <-ctx.Done():
				return ctx.Err()
			}
			o, err := read(buf)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			select {
			case jobs <- o:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	for range workers {
		g.Go(func() error {
			for o := range jobs {
				if err := fn(o); err != nil {
					return err
				}
				free <- o.Data // never waits: there are no more buffers than places
			}
			return nil
		})
	}
	return g.Wait()
}
