package main

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/api"
	"github.com/tomocast/tomocast/internal/service"
)

func TestSettingsThatCannotBe(t *testing.T) {
	setenv(t)
	for want, args := range map[string][]string{
		"--listen 0.0.0.0:8080 can be reached": {"--demo", "--listen", "0.0.0.0:8080"},
		"--listen :8080 can be reached":        {"--demo", "--listen", ":8080"},
		"give --studies":                       {},
		"--oidc-audience":                      {"--demo", "--oidc-issuer", "https://id.example.org"},
		"--tls-key":                            {"--demo", "--tls-cert", "x"},
		"--turn-secret-file":                   {"--demo", "--turn-url", "turn:t"},
		"--turn-url":                           {"--demo", "--turn-url", "https://t", "--turn-secret-file", secretFile(t, "s")},
		"--allowed-origins":                    {"--demo", "--allowed-origins", "*"},
		"--session-idle":                       {"--demo", "--session-idle", "0s"},
		"--pool":                               {"--demo", "--pool", "a b"},
		"unexpected argument":                  {"--demo", "serve"},
		"--sources: read the configuration":    {"--demo", "--sources", "/nonexistent/sources.yaml"},
		"line 2: a source is a group":          {"--demo", "--sources", secretFile(t, "sources:\n  - x\n")},
	} {
		_, err := parse(args)
		if !errors.Is(err, service.ErrUsage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
	t.Setenv("TOMOCAST_EDGE_SECRET", "")
	if _, err := parse([]string{"--demo"}); err == nil || !strings.Contains(err.Error(), "--edge-secret-file") {
		t.Error(err)
	}
	t.Setenv("TOMOCAST_EDGE_SECRET", "short")
	c, err := parse([]string{"--demo"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newBroker(c, nil); !errors.Is(err, service.ErrUsage) || strings.Contains(err.Error(), "short") {
		t.Error(err)
	}
}

func TestSourcesAreCheckedAtTheStart(t *testing.T) {
	setenv(t)
	for want, text := range map[string]string{
		"two sources are named local": "sources:\n  - {name: local, kind: folder, path: /x}\n",
		"read the token":              "sources:\n  - {name: a, kind: pacs, url: 'https://p', bearer-file: none}\n",
	} {
		c, err := parse([]string{"--demo", "--sources", secretFile(t, text)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newBroker(c, slog.New(slog.DiscardHandler)); !errors.Is(err, service.ErrUsage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	// Without a folder of its own, the first source of the file is the broker's.
	c, err := parse([]string{"--sources", secretFile(t, "sources:\n  - {name: a, kind: pacs, url: 'https://p'}\n  - {name: b, kind: store, path: b}\n")})
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBroker(c, slog.New(slog.DiscardHandler))
	if err != nil || b.library.Name() != "a" {
		t.Errorf("%v, %v", b, err)
	}
}

func TestIdentityAllowsToListenBeyondThisMachine(t *testing.T) {
	setenv(t)
	if _, err := parse([]string{"--demo", "--listen", "0.0.0.0:8443", "--oidc-issuer", "https://id.example.org", "--oidc-audience", "tomocast"}); err != nil {
		t.Error(err)
	}
}

func TestOrigins(t *testing.T) {
	for in, want := range map[string]string{
		"https://Portal.example.org": "https://portal.example.org", "http://localhost:3000/": "http://localhost:3000",
		"*": "", "null": "", "portal.example.org": "", "https://a b": "", "https://a/path": "", "https://u:p@a": "", "https://a;script-src *": "", "ftp://a": "",
	} {
		if got, err := api.ParseOrigin(in); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}
