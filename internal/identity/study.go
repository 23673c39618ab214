package identity

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tomocast/tomocast/signaling"
)

const (
	studyIssuer   = "tomocast-broker/study" // other than that of terminals' tokens, so that neither passes for the other
	studyAudience = "tomocast-dicomweb"
	studySkew     = 30 * time.Second
)

// StudyClaims bind a credential to one study of one source for one node.
type StudyClaims struct {
	Source string           `json:"source"`
	Study  string           `json:"study"`
	Node   signaling.NodeID `json:"node"`
	jwt.RegisteredClaims
}

// SignStudy returns a credential (JWT, EdDSA; RFC 7519, RFC 8037) with which node may read study of source over
// DICOMweb from now for ttl.
func SignStudy(key ed25519.PrivateKey, source, study string, node signaling.NodeID, now time.Time, ttl time.Duration) (string, error) {
	c := StudyClaims{Source: source, Study: study, Node: node, RegisteredClaims: jwt.RegisteredClaims{
		Issuer: studyIssuer, Audience: jwt.ClaimStrings{studyAudience}, Subject: string(node),
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
	}}
	s, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, c).SignedString(key)
	if err != nil {
		return "", fmt.Errorf("sign the credential for a study: %w", err)
	}
	return s, nil
}

// VerifyStudy refuses a request whose bearer token is not a credential for study of source that one of keys signed
// and that has not expired.
func VerifyStudy(keys []ed25519.PublicKey, r *http.Request, source, study string, now time.Time) error {
	token := bearer(r)
	if token == "" {
		return fmt.Errorf("%w: no credential for the study", ErrUnauthenticated)
	}
	err := errors.New("no key to verify it with")
	for _, key := range keys {
		var c StudyClaims
		_, err = jwt.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return key, nil },
			jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithIssuer(studyIssuer), jwt.WithAudience(studyAudience),
			jwt.WithExpirationRequired(), jwt.WithLeeway(studySkew), jwt.WithTimeFunc(func() time.Time { return now }))
		if err == nil {
			if source == "" || study == "" || c.Source != source || c.Study != study {
				return fmt.Errorf("%w: the credential is for another study", ErrForbidden)
			}
			return nil
		}
		if !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
			break
		}
	}
	return fmt.Errorf("%w: credential for a study: %w", ErrUnauthenticated, err)
}
