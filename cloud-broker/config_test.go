package main

import (
	"errors"
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
