package signaling

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Role is what a terminal may do in a session.
type Role string

// The roles. A host controls the view; a guest looks on.
const (
	RoleHost  Role = "host"
	RoleGuest Role = "guest"
)

// TokenClaims bind a terminal's token to one attempt on one node.
type TokenClaims struct {
	Task    TaskID    `json:"task"`
	Attempt AttemptID `json:"attempt"`
	Node    NodeID    `json:"node"`
	Role    Role      `json:"role"`
	jwt.RegisteredClaims
}

const (
	tokenIssuer = "tomocast-broker"
	// tokenSkew is how far the clocks of broker and edge may differ.
	tokenSkew = 30 * time.Second
)

// ErrToken is why a token was refused; its text names the reason.
var ErrToken = errors.New("token refused")

// SignToken returns a signed token (JWT, EdDSA; RFC 7519, RFC 8037) for one terminal of one attempt, valid
// from now for ttl.
func SignToken(key ed25519.PrivateKey, c TokenClaims, subject string, now time.Time, ttl time.Duration) (string, error) {
	c.RegisteredClaims = jwt.RegisteredClaims{
		Issuer: tokenIssuer, Subject: subject,
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
	}
	s, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, c).SignedString(key)
	if err != nil {
		return "", fmt.Errorf("sign token for %s: %w", c.Attempt, err)
	}
	return s, nil
}

// VerifyToken returns the claims of a token that one of keys signed and that has not expired, allowing for
// skew. The caller compares the claims with what the token is shown for, see [TokenClaims.For].
func VerifyToken(keys []ed25519.PublicKey, token string, now time.Time) (*TokenClaims, error) {
	return verify[TokenClaims](keys, token, now)
}

// verify parses a token of the broker's into the claims C.
func verify[C any, P interface {
	*C
	jwt.Claims
}](keys []ed25519.PublicKey, token string, now time.Time, more ...jwt.ParserOption) (*C, error) {
	options := append([]jwt.ParserOption{jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithIssuer(tokenIssuer),
		jwt.WithExpirationRequired(), jwt.WithLeeway(tokenSkew), jwt.WithTimeFunc(func() time.Time { return now })}, more...)
	err := errors.New("no key to verify it with")
	for _, key := range keys {
		var c C
		_, err = jwt.ParseWithClaims(token, P(&c), func(*jwt.Token) (any, error) { return key, nil }, options...)
		if err == nil {
			return &c, nil
		}
		if !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
			break
		}
	}
	return nil, fmt.Errorf("%w: %w", ErrToken, err)
}

// For refuses claims that are for another attempt or another node.
func (c *TokenClaims) For(node NodeID, attempt AttemptID) error {
	if c.Node != node {
		return fmt.Errorf("%w: it is for another node", ErrToken)
	}
	if c.Attempt != attempt {
		return fmt.Errorf("%w: it is for another session", ErrToken)
	}
	if c.Role != RoleHost && c.Role != RoleGuest {
		return fmt.Errorf("%w: it names no role", ErrToken)
	}
	return nil
}

// TerminalClaims let a terminal ask edges itself (A2). They name who asks; what may be seen is the broker's to say, which
// the edge asks for a task's study.
type TerminalClaims struct {
	Zone   string `json:"zone,omitempty"`
	Urgent bool   `json:"urgent,omitempty"`
	jwt.RegisteredClaims
}

const terminalAudience = "tomocast-edges"

// SignTerminalToken returns a signed token for a terminal of subject, valid from now for ttl at every edge of the pool.
func SignTerminalToken(key ed25519.PrivateKey, c TerminalClaims, subject string, now time.Time, ttl time.Duration) (string, error) {
	c.RegisteredClaims = jwt.RegisteredClaims{
		Issuer: tokenIssuer, Subject: subject, Audience: jwt.ClaimStrings{terminalAudience},
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
	}
	s, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, c).SignedString(key)
	if err != nil {
		return "", fmt.Errorf("sign a terminal's token: %w", err)
	}
	return s, nil
}

// VerifyTerminalToken returns the claims of a terminal's token that one of keys signed and that has not expired, allowing
// for skew.
func VerifyTerminalToken(keys []ed25519.PublicKey, token string, now time.Time) (*TerminalClaims, error) {
	return verify[TerminalClaims](keys, token, now, jwt.WithAudience(terminalAudience))
}
