package dicomweb

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Bounds of the time between two attempts.
const (
	maxBackoff    = 5 * time.Second
	maxRetryAfter = 30 * time.Second // a server that asks for more is told to be busy
)

// again calls try until it succeeds, fails for good or has failed as often as is allowed.
func (c *Client) again(ctx context.Context, try func() error) error {
	most := c.Attempts
	if most <= 0 {
		most = DefaultAttempts
	}
	for failed := 1; ; failed++ {
		err := try()
		if err == nil || ctx.Err() != nil || !passing(err) || failed >= most {
			return err
		}
		pause := c.pause(failed)
		var status *StatusError
		if errors.As(err, &status) && status.retryAfter > 0 {
			if status.retryAfter > maxRetryAfter {
				return err
			}
			pause = status.retryAfter
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// pause is the time before the next attempt after so many that failed, with some chance in it, so that clients that
// failed together do not come back together.
func (c *Client) pause(failed int) time.Duration {
	d := c.Backoff
	if d <= 0 {
		d = DefaultBackoff
	}
	d = min(d<<min(failed-1, 10), maxBackoff)
	return d/2 + rand.N(d/2+1)
}

// passing says whether what failed may succeed at another time.
func passing(err error) bool {
	var status *StatusError
	if errors.As(err, &status) {
		switch status.Status {
		case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
			return true
		case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
			return false
		}
		return status.Status >= 500 || status.Instead != ""
	}
	var certificate *tls.CertificateVerificationError
	var alert tls.AlertError
	if errors.As(err, &certificate) || errors.As(err, &alert) {
		return false
	}
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return false
	}
	if errors.Is(err, errIdle) || errors.Is(err, errTruncated) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true
	}
	var n net.Error
	return errors.As(err, &n) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
}

// retryAfter takes the header of that name (RFC 9110 10.2.3): seconds or a date.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(text); err == nil && t.After(now) {
		return t.Sub(now)
	}
	return 0
}
