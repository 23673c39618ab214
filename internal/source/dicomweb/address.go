package dicomweb

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
)

// WithoutAddress is what a terminal may be told of an error of a client: what went wrong, and not where the server is.
// Other errors are returned as they are.
func WithoutAddress(err error) error {
	var dns *net.DNSError
	var op *net.OpError
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	switch {
	case errors.As(err, &dns):
		return errors.New("its name is not known to the network here")
	case errors.As(err, &host):
		return errors.New("its certificate is of another name than the one that it is configured by")
	case errors.As(err, &authority):
		return errors.New("its certificate is of an authority that is not trusted here; its operator names it with ca-file")
	case errors.As(err, &op):
		cause := op.Err
		for next := errors.Unwrap(cause); next != nil; next = errors.Unwrap(cause) {
			cause = next
		}
		return fmt.Errorf("the server cannot be reached: %w", cause)
	}
	return err
}
