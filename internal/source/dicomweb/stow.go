package dicomweb

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/tomocast/tomocast/internal/source"
)

// Upload is an instance to store.
type Upload struct {
	// Name is how a Failure names it: a path or a UID. It is not sent.
	Name string
	// Size is how many bytes Open gives.
	Size int64
	Open func() (io.ReadCloser, error)
}

// Failure is an instance that a server did not store.
type Failure struct {
	SOPInstanceUID string
	// Code is the failure reason (0008,1197) of PS3.18 table I.2.2-1, 0 for none; Reason says it in words.
	Code   int
	Reason string
}

// StoreResult is what became of the instances that a server was sent.
type StoreResult struct {
	Stored []string // SOP Instance UIDs
	Failed []Failure
}

// Store sends instances of one study to the server (STOW-RS, PS3.18 10.5), all in one request whose parts are read as
// they are sent, and says what became of each. The error is about the request as a whole; the answers 409 and 202 are
// none, where they say which instances failed.
func (c *Client) Store(ctx context.Context, study string, uploads []Upload) (*StoreResult, error) {
	const what = "store instances"
	if err := source.CheckUID("the study", study); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	var result *StoreResult
	err := c.again(ctx, func() error {
		var err error
		result, err = c.store(ctx, what, study, uploads)
		return err
	})
	return result, err
}

func (c *Client) store(ctx context.Context, what, study string, uploads []Upload) (*StoreResult, error) {
	boundary := rand.Text()
	out, in := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := writeParts(in, boundary, uploads)
		in.CloseWithError(err)
		written <- err
	}()
	a, err := c.do(ctx, request{method: http.MethodPost, what: what, accept: typeJSON, elements: []string{"studies", study},
		body: out, contentType: fmt.Sprintf(`%s; type="%s"; boundary=%s`, typeMultipart, typeDICOM, boundary),
		ok: []int{http.StatusOK, http.StatusAccepted, http.StatusConflict}})
	out.Close() // a server may answer before it has read everything
	reading := <-written
	if err != nil {
		if reading != nil && !errors.Is(reading, io.ErrClosedPipe) {
			return nil, fmt.Errorf("%s: %w", what, reading)
		}
		return nil, err
	}
	defer a.Close()
	if media, _ := parseMedia(a.Header.Get("Content-Type")); media != typeJSON && media != "application/json" {
		return nil, instead(a, what, typeJSON)
	}
	var w wireStored
	body, err := io.ReadAll(io.LimitReader(a.body, maxMetadata))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, noEOF(err))
	}
	var wrongType *json.UnmarshalTypeError
	if err := json.Unmarshal(body, &w); err != nil && !errors.As(err, &wrongType) {
		return nil, &StatusError{Status: a.StatusCode, What: what, Instead: "with something that is no DICOM JSON"}
	}
	return w.result(), nil
}

// writeParts writes the body of a request.
func writeParts(w io.Writer, boundary string, uploads []Upload) error {
	for _, u := range uploads {
		if _, err := io.WriteString(w, "\r\n--"+boundary+"\r\nContent-Type: "+typeDICOM+
			"\r\nContent-Length: "+strconv.FormatInt(u.Size, 10)+"\r\n\r\n"); err != nil {
			return err
		}
		in, err := u.Open()
		if err != nil {
			return err
		}
		n, err := io.Copy(w, in)
		in.Close()
		if err == nil && n != u.Size {
			err = fmt.Errorf("a file is %w: %d bytes instead of %d", source.ErrChanged, n, u.Size)
		}
		if err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "\r\n--"+boundary+"--\r\n")
	return err
}

// wireStored is an answer of STOW-RS (PS3.18 table 10.5.3-2).
type wireStored struct {
	Stored wireSequence `json:"00081199"`
	Failed wireSequence `json:"00081198"`
	Others wireSequence `json:"0008119A"`
}

type wireSequence struct {
	Value []struct {
		UID    attr `json:"00081155"`
		Reason attr `json:"00081197"`
	}
}

func (w *wireStored) result() *StoreResult {
	r := &StoreResult{}
	for _, i := range w.Stored.Value {
		r.Stored = append(r.Stored, i.UID.text())
	}
	for _, i := range append(w.Failed.Value, w.Others.Value...) {
		code := i.Reason.int()
		r.Failed = append(r.Failed, Failure{SOPInstanceUID: i.UID.text(), Code: code, Reason: failureReason(code)})
	}
	return r
}

// Failure reasons (PS3.18 table I.2.2-1, PS3.4 annex B.2.3, PS3.7 annex C).
const (
	ReasonProcessing    = 0x0110 // processing failure
	ReasonDuplicate     = 0x0111 // duplicate SOP instance
	ReasonClassRefused  = 0x0122 // SOP class not supported
	ReasonNotAuthorized = 0x0124
	ReasonNoResources   = 0xA700 // and those with another low byte
	ReasonOtherClass    = 0xA900 // the data set does not match its SOP class
	ReasonNotUnderstood = 0xC000 // and those with other lower digits
	ReasonSyntax        = 0xC122 // transfer syntax not supported
	ReasonOtherStudy    = 0xC409 // not of the study that it was sent to
)

// failureReason says a reason in words.
func failureReason(code int) string {
	switch {
	case code == 0:
		return "the server does not say why"
	case code == ReasonDuplicate:
		return "the server has another object of the same UID"
	case code == ReasonProcessing:
		return "the server failed to process it"
	case code == ReasonNotAuthorized:
		return "it may not be stored with these credentials"
	case code == ReasonClassRefused:
		return "the server does not store this kind of object"
	case code == ReasonSyntax:
		return "the server does not store this transfer syntax"
	case code == ReasonOtherStudy:
		return "it belongs to another study"
	case code&0xFF00 == ReasonNoResources:
		return "the server has no room for it"
	case code&0xFF00 == ReasonOtherClass:
		return "its data does not match its SOP class"
	case code&0xF000 == ReasonNotUnderstood:
		return "the server can't understand it"
	}
	return fmt.Sprintf("the server gives the reason %04X", code)
}
