package pool

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestOptions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		url   string
		check func(o *redis.UniversalOptions) bool
	}{
		{"redis://localhost", func(o *redis.UniversalOptions) bool {
			return slices.Equal(o.Addrs, []string{"localhost:6379"}) && o.TLSConfig == nil && o.Username == "" && o.Password == ""
		}},
		{"redis://anna:p%40ss@10.0.0.1:7000/3", func(o *redis.UniversalOptions) bool {
			return o.Addrs[0] == "10.0.0.1:7000" && o.Username == "anna" && o.Password == "p@ss" && o.DB == 3
		}},
		{"redis://[::1]", func(o *redis.UniversalOptions) bool { return o.Addrs[0] == "[::1]:6379" }},
		{"redis://anna@h?password_file=" + file, func(o *redis.UniversalOptions) bool {
			return o.Username == "anna" && o.Password == "from-file"
		}},
		{"rediss://h?server_name=redis.example", func(o *redis.UniversalOptions) bool {
			return o.TLSConfig != nil && o.TLSConfig.ServerName == "redis.example"
		}},
		{"rediss+sentinel://u:p@h1,h2:1234/mymaster/2?sentinel_user=s&sentinel_password_file=" + file, func(o *redis.UniversalOptions) bool {
			return slices.Equal(o.Addrs, []string{"h1:26379", "h2:1234"}) && o.MasterName == "mymaster" && o.DB == 2 &&
				o.SentinelUsername == "s" && o.SentinelPassword == "from-file" && o.TLSConfig != nil
		}},
		{"redis+cluster://h1,h2:7001", func(o *redis.UniversalOptions) bool {
			return o.IsClusterMode && slices.Equal(o.Addrs, []string{"h1:6379", "h2:7001"})
		}},
	} {
		o, err := options(tt.url)
		if err != nil || !tt.check(o) {
			t.Errorf("%s: %+v, %v", tt.url, o, err)
		}
	}
	for url, kind := range map[string]func(redis.UniversalClient) bool{
		"redis://h":              func(c redis.UniversalClient) bool { _, ok := c.(*redis.Client); return ok },
		"redis+sentinel://h/m":   func(c redis.UniversalClient) bool { _, ok := c.(*redis.Client); return ok },
		"redis+cluster://h1,h2":  func(c redis.UniversalClient) bool { _, ok := c.(*redis.ClusterClient); return ok },
		"rediss+cluster://h1,h2": func(c redis.UniversalClient) bool { _, ok := c.(*redis.ClusterClient); return ok },
	} {
		c, err := Connect(url)
		if err != nil || !kind(c) {
			t.Errorf("%s: %T, %v", url, c, err)
			continue
		}
		_ = c.Close() // it never connected
	}
}

func TestBadURLs(t *testing.T) {
	for url, want := range map[string]string{
		"":                            "scheme",
		"http://h":                    "scheme",
		"redis+ring://h":              "scheme",
		"redis://":                    "host is missing",
		"redis://h1,h2":               "2 hosts",
		"redis://h/x":                 "database",
		"redis+sentinel://h":          "master is missing",
		"redis+cluster://h/1":         "no numbered databases",
		"redis://h?colour=red":        "colour",
		"redis://h?ca=/x":             "rediss",
		"rediss://h?ca=/nowhere":      "authorities",
		"rediss://h?cert=/x":          "together",
		"redis://h?password_file=/no": "password",
		"redis://u:se%zzcret@h":       "%XX",
		"redis://u:secret@h:port":     "cannot be read",
	} {
		_, err := Connect(url)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", url, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "cret") {
			t.Errorf("%q: the error shows the password: %v", url, err)
		}
	}
}

// Certificate writes a self-signed certificate for 127.0.0.1 and its key.
func Certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, b []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", pkcs8)
}

func TestPingSaysWhatFails(t *testing.T) {
	rdb, err := Connect("redis://u:secret@127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rdb.Close() }()
	_, err = Open(context.Background(), rdb, Options{})
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Fatalf("open without a server: %v", err)
	}
}
