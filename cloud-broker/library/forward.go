package library

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/dicomweb"
)

const (
	// storedWithin is how long a PACS may take to answer after it has got all files.
	storedWithin = 5 * time.Minute
	// maxStoredAnswer bounds its answer, which names every instance.
	maxStoredAnswer = 32 << 20
)

// ForwardError is why files were not stored at a PACS.
type ForwardError struct {
	// Status is what to answer with: the PACS's own where the request is to blame.
	Status int
	Detail string
}

func (e *ForwardError) Error() string { return e.Detail }

// plain is for PACS without TLS settings of their own.
var plain = sync.OnceValue(func() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = storedWithin
	t.DisableCompression = true
	return t
})

// Forward sends the body of a request to store instances (PS3.18 10.5) on to the PACS as it comes, with the PACS's
// credentials and none of the request's own, and returns its answer in DICOM JSON with its status: 200, 202 or 409.
// Anything else is a *ForwardError. The study may be empty.
func (s *Source) Forward(ctx context.Context, study string, r *http.Request) (status int, answer []byte, err error) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "multipart/related" || params["type"] != "application/dicom" {
		return 0, nil, &ForwardError{http.StatusUnsupportedMediaType, `Files are sent as multipart/related; type="application/dicom".`}
	}
	if study != "" {
		if err := source.CheckUID("the study's UID", study); err != nil {
			return 0, nil, &ForwardError{http.StatusBadRequest, err.Error()}
		}
	}
	req, client, err := s.remote.storing(ctx, study)
	if err != nil {
		return 0, nil, err
	}
	body := &watched{in: r.Body}
	req.Body, req.ContentLength = body, r.ContentLength
	req.Header.Set("Content-Type", r.Header.Get("Content-Type"))
	req.Header.Set("Accept", "application/dicom+json")
	resp, err := client.Do(req)
	if err != nil {
		if cause := body.failed(); cause != nil { // what was sent is to blame, not the PACS
			return 0, nil, cause
		}
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return 0, nil, &ForwardError{http.StatusBadGateway, fmt.Sprintf("%v %s could not be reached: %v. Try again; if it stays so, tell its operator.", ErrRemote, s.Name, dicomweb.WithoutAddress(err))}
	}
	defer resp.Body.Close()
	switch code := resp.StatusCode; {
	case code == http.StatusOK, code == http.StatusAccepted, code == http.StatusConflict:
		answer, err = io.ReadAll(io.LimitReader(resp.Body, maxStoredAnswer+1))
		if err != nil || len(answer) > maxStoredAnswer || !json.Valid(answer) {
			return 0, nil, &ForwardError{http.StatusBadGateway, fmt.Sprintf("%v %s answered %d without saying in DICOM JSON what it stored.", ErrRemote, s.Name, code)}
		}
		return code, answer, nil
	case code == http.StatusBadRequest, code == http.StatusRequestEntityTooLarge, code == http.StatusUnsupportedMediaType, code == http.StatusUnprocessableEntity:
		return 0, nil, &ForwardError{code, fmt.Sprintf("%v %s refused the files: %d %s.", ErrRemote, s.Name, code, http.StatusText(code))}
	default:
		return 0, nil, &ForwardError{http.StatusBadGateway, fmt.Sprintf("%v %s answered %d %s. If it stays so, tell its operator.", ErrRemote, s.Name, code, http.StatusText(code))}
	}
}

// storing is a request that stores instances at the PACS, without its body, and what to send it with.
func (r *remote) storing(ctx context.Context, study string) (*http.Request, *http.Client, error) {
	c, err := r.usable()
	if err != nil {
		return nil, nil, err
	}
	root, err := url.Parse(r.spec.URL)
	if err != nil {
		return nil, nil, err
	}
	path := []string{"studies"}
	if study != "" {
		path = append(path, study)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, root.JoinPath(path...).String(), nil)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case c.Bearer != "":
		req.Header.Set("Authorization", "Bearer "+c.Bearer)
	case c.Username != "":
		req.SetBasicAuth(c.Username, c.Password)
	}
	client := &http.Client{Transport: plain()}
	if c.HTTPClient != nil {
		client.Transport = c.HTTPClient.Transport
	}
	// A body that went elsewhere would go to a place that nobody configured.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return req, client, nil
}

// watched is a body that remembers why it could not be read.
type watched struct {
	in io.ReadCloser

	mu  sync.Mutex
	err error
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.in.Read(b)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, http.ErrBodyReadAfterClose) {
		w.mu.Lock()
		w.err = err
		w.mu.Unlock()
	}
	return n, err
}

func (w *watched) Close() error { return w.in.Close() }

// failed is why the body could not be read, as an answer; nil where it could.
func (w *watched) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var tooLarge *http.MaxBytesError
	switch {
	case w.err == nil:
		return nil
	case errors.As(w.err, &tooLarge):
		return &ForwardError{http.StatusRequestEntityTooLarge, "This is too much at once. Send the files in several requests."}
	}
	return &ForwardError{http.StatusBadRequest, "The files did not come in whole. Send them again."}
}
