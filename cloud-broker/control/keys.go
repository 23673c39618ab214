package control

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Keys sign the tokens of terminals and the credentials of edges. All brokers of a pool have the same key: from
// a file, or the one that the first of them left in Redis.
type Keys struct {
	redisKey string // empty: the key is from a file

	mu      sync.Mutex
	private ed25519.PrivateKey
	public  []ed25519.PublicKey // the present one first, then those before it
}

// NewKeys makes a key that lasts for this run until Adopt finds another in Redis under redisKey.
func NewKeys(redisKey string) *Keys {
	public, private, _ := ed25519.GenerateKey(nil) // never fails (crypto/rand)
	return &Keys{redisKey: redisKey, private: private, public: []ed25519.PublicKey{public}}
}

// ReadKeys reads the key from a PEM file (PKCS #8, RFC 8410), as "openssl genpkey -algorithm ed25519" writes it.
func ReadKeys(file string) (*Keys, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read token key: %w", err)
	}
	const want = "make one with: openssl genpkey -algorithm ed25519"
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("token key %s is no PEM file; %s", file, want)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("token key %s: %w; %s", file, err, want)
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("token key %s is no Ed25519 key; %s", file, want)
	}
	return &Keys{private: private, public: []ed25519.PublicKey{private.Public().(ed25519.PublicKey)}}, nil
}

// Adopt takes over the key that is in Redis, or leaves this one there. It is called again whenever Redis may
// have lost it.
func (k *Keys) Adopt(ctx context.Context, rdb redis.Cmdable) error {
	if k.redisKey == "" {
		return nil
	}
	seed := k.Private().Seed()
	if err := rdb.SetNX(ctx, k.redisKey, seed, 0).Err(); err != nil {
		return fmt.Errorf("keep the token key in Redis: %w", err)
	}
	kept, err := rdb.Get(ctx, k.redisKey).Bytes()
	if err != nil {
		return fmt.Errorf("read the token key from Redis: %w", err)
	}
	if len(kept) != ed25519.SeedSize {
		return errors.New("the token key in Redis is damaged: delete " + k.redisKey)
	}
	private := ed25519.NewKeyFromSeed(kept)
	k.mu.Lock()
	defer k.mu.Unlock()
	if !private.Equal(k.private) {
		k.private = private
		k.public = append([]ed25519.PublicKey{private.Public().(ed25519.PublicKey)}, k.public[:min(len(k.public), 3)]...)
	}
	return nil
}

// Private is the key to sign with.
func (k *Keys) Private() ed25519.PrivateKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.private
}

// Public are the keys to verify with.
func (k *Keys) Public() []ed25519.PublicKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]ed25519.PublicKey(nil), k.public...)
}
