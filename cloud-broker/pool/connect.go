package pool

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Connect makes a client for the Redis that the URL names. It does not connect yet: Open does, and says what fails.
//
//	redis://[user:password@]host[:6379][/db]                    one server
//	redis+sentinel://[user:password@]host1[:26379],host2/master[/db]  a master that Sentinels know
//	redis+cluster://[user:password@]host1[:6379],host2          a Redis Cluster; the hosts are where to ask first
//
// With rediss instead of redis the connections use TLS (1.2 or newer), to the Sentinels too. User and
// password are those of an ACL user; without a user the default one logs in. Special characters in them are
// written %XX. Options follow as a query:
//
//	password_file=PATH    the password, instead of one in the URL
//	ca=PATH               PEM certificates of the authorities to trust, instead of the system's
//	cert=PATH, key=PATH   PEM certificate and key to show the server
//	server_name=NAME      the name in the server's certificate, where it is not the host
//	sentinel_user=NAME, sentinel_password_file=PATH   for the Sentinels, where they ask for it
//
// The ACL user needs all commands of the scripts on the pool's keys and channels, for example
//
//	ACL SETUSER tomocast on >password ~{tomocast}* &{tomocast}* +@all -@dangerous +info
//
// Errors never show the password.
func Connect(rawURL string) (redis.UniversalClient, error) {
	quiet()
	o, err := options(rawURL)
	if err != nil {
		return nil, fmt.Errorf("the URL of Redis: %w", err)
	}
	switch {
	case o.IsClusterMode:
		return redis.NewClusterClient(o.Cluster()), nil
	case o.MasterName != "":
		return redis.NewFailoverClient(o.Failover()), nil
	}
	return redis.NewClient(o.Simple()), nil
}

// quiet sends what the Redis client says of its connections to the log, at debug level: what matters of it comes back
// as errors.
var quiet = sync.OnceFunc(func() { redis.SetLogger(clientLog{}) })

type clientLog struct{}

func (clientLog) Printf(ctx context.Context, format string, v ...any) {
	slog.DebugContext(ctx, "redis client", "says", fmt.Sprintf(format, v...))
}

func options(rawURL string) (*redis.UniversalOptions, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		var bad *url.Error // it quotes the URL, and with it the password
		if errors.As(err, &bad) {
			err = bad.Err
		}
		if strings.Contains(rawURL, "@") {
			return nil, errors.New("cannot be read: write it like redis://user:password@host:6379, special characters as %XX")
		}
		return nil, fmt.Errorf("cannot be read: %w: write it like redis://host:6379", err)
	}
	scheme, kind, _ := strings.Cut(u.Scheme, "+")
	if scheme != "redis" && scheme != "rediss" || kind != "" && kind != "sentinel" && kind != "cluster" {
		return nil, fmt.Errorf("scheme %.20q: redis, rediss, redis+sentinel, rediss+sentinel, redis+cluster or rediss+cluster", u.Scheme)
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("options cannot be read: write them like ?ca=PATH&cert=PATH")
	}
	if err := checkOptions(q); err != nil {
		return nil, err
	}
	port := "6379"
	if kind == "sentinel" {
		port = "26379"
	}
	o := &redis.UniversalOptions{
		IsClusterMode: kind == "cluster",
		ClientName:    "tomocast-broker",
		// Notices of a hosted Redis about its maintenance: a handshake more for nothing elsewhere.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if o.Addrs, err = addresses(u.Host, port); err != nil {
		return nil, err
	}
	if len(o.Addrs) > 1 && kind == "" {
		return nil, fmt.Errorf("%d hosts: redis+sentinel or redis+cluster takes several, %s one", len(o.Addrs), scheme)
	}
	path := strings.Trim(u.Path, "/")
	if kind == "sentinel" {
		o.MasterName, path, _ = strings.Cut(path, "/")
		if o.MasterName == "" {
			return nil, errors.New("master is missing: write it like redis+sentinel://host1,host2/mymaster")
		}
	}
	if path != "" {
		if kind == "cluster" {
			return nil, errors.New("a cluster has no numbered databases: leave out the path")
		}
		if o.DB, err = strconv.Atoi(path); err != nil || o.DB < 0 {
			return nil, fmt.Errorf("database %.20q: a number from 0", path)
		}
	}
	if o.Username = u.User.Username(); u.User != nil {
		o.Password, _ = u.User.Password()
	}
	if err := secret(q.Get("password_file"), &o.Password); err != nil {
		return nil, err
	}
	o.SentinelUsername = q.Get("sentinel_user")
	if err := secret(q.Get("sentinel_password_file"), &o.SentinelPassword); err != nil {
		return nil, err
	}
	if scheme == "rediss" {
		if o.TLSConfig, err = tlsConfig(q); err != nil {
			return nil, err
		}
	} else if q.Has("ca") || q.Has("cert") || q.Has("server_name") {
		return nil, errors.New("ca, cert and server_name are for TLS: write rediss instead of redis")
	}
	return o, nil
}

func checkOptions(q url.Values) error {
	for name, values := range q {
		switch name {
		case "password_file", "ca", "cert", "key", "server_name", "sentinel_user", "sentinel_password_file":
		default:
			return fmt.Errorf("option %.40q is unknown: password_file, ca, cert, key, server_name, sentinel_user, sentinel_password_file", name)
		}
		if len(values) != 1 || values[0] == "" {
			return fmt.Errorf("option %s: one value", name)
		}
	}
	if q.Has("cert") != q.Has("key") {
		return errors.New("cert and key come together")
	}
	return nil
}

// addresses splits a list of hosts and adds the port where none is given.
func addresses(hosts, port string) ([]string, error) {
	var out []string
	for _, h := range strings.Split(hosts, ",") {
		if h == "" {
			return nil, errors.New("host is missing: write it like redis://host:6379")
		}
		if _, _, err := net.SplitHostPort(h); err != nil {
			h = net.JoinHostPort(strings.Trim(h, "[]"), port)
		}
		out = append(out, h)
	}
	return out, nil
}

// secret reads a password from a file, where one is named.
func secret(path string, into *string) error {
	if path == "" {
		return nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the password: %w", err)
	}
	*into = strings.TrimRight(string(b), "\r\n")
	return nil
}

func tlsConfig(q url.Values) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: q.Get("server_name")}
	if path := q.Get("ca"); path != "" {
		pem, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read the authorities to trust: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no PEM certificate", path)
		}
	}
	if path := q.Get("cert"); path != "" {
		pair, err := tls.LoadX509KeyPair(path, q.Get("key"))
		if err != nil {
			return nil, fmt.Errorf("read the client certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
