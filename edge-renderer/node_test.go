package main

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/signaling"
)

// A10: what an edge can do comes from its own hardware and configuration.
func TestA10NodeFromItsConfiguration(t *testing.T) {
	s, err := parseServe([]string{"--id", "edge-1", "--max-sessions", "4", "--gpu-memory", "1000", "--types", "rendering,data-computation",
		"--handling", "data-computation=ask", "--direct-url", "wss://edge.example.org:8090/a/"})
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.node("two GPUs", 2, true)
	if err != nil {
		t.Fatal(err)
	}
	if n.Capacity.GPUMemoryMB != 2000 || n.Capacity.GPUMilli != 2000 || len(n.GPUs) != 2 || n.GPUs[1] != (signaling.GPU{MemoryMB: 1000, Milli: 1000}) {
		t.Errorf("capacity %+v, GPUs %+v", n.Capacity, n.GPUs)
	}
	if !slices.Equal(n.Types, []signaling.TaskType{signaling.Rendering, signaling.DataComputation}) {
		t.Errorf("types %v", n.Types)
	}
	if n.Handling[signaling.DataComputation] != signaling.HandlingAsk || n.Handling[signaling.Rendering] != signaling.HandlingAllocate {
		t.Errorf("handling %v", n.Handling)
	}
	if n.URL != "https://edge.example.org:8090/a" || n.DirectURL != "wss://edge.example.org:8090/a/signal" {
		t.Errorf("reached at %s and %s", n.URL, n.DirectURL)
	}
	if len(n.Networks) == 0 {
		t.Error("a broker on this machine, and no network that terminals are in")
	}
	if s, err = parseServe([]string{"--id", "edge-1"}); err != nil {
		t.Fatal(err)
	}
	if n, err = s.node("one GPU", 1, false); err != nil {
		t.Fatal(err)
	}
	if len(n.GPUs) != 0 || n.Capacity.GPUMemoryMB != 8192 || len(n.Types) != len(task.Types())+1 {
		t.Errorf("with one GPU: %+v", n)
	}
}

// B3: a machine that knows when it goes says so.
func TestB3NodeSaysWhenItGoes(t *testing.T) {
	s, err := parseServe([]string{"--id", "edge-1", "--until", "2126-03-01T19:00:00+01:00"})
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.node("one GPU", 1, false)
	if err != nil {
		t.Fatal(err)
	}
	if n.Expires == nil || n.Expires.Format(time.RFC3339) != "2126-03-01T18:00:00Z" {
		t.Errorf("it goes at %v", n.Expires)
	}
}

func TestConfigurationThatCannotBe(t *testing.T) {
	for flag, args := range map[string][]string{
		"--types": {"--types", "dancing"}, "--handling": {"--handling", "training"}, "--handling training": {"--handling", "training=sometimes"},
		"--handling rendering": {"--handling", "rendering=defer"}, "--direct-url": {"--direct-url", "https://edge"},
		"--until": {"--until", "tomorrow"}, "--until 2001": {"--until", "2001-01-01T00:00:00Z"},
	} {
		s, err := parseServe(append([]string{"--id", "edge-1"}, args...))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.node("", 1, true); !errors.Is(err, service.ErrUsage) || !strings.Contains(err.Error(), args[0]) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

func TestNetworks(t *testing.T) {
	var addresses []net.Addr
	for _, a := range []string{"127.0.0.1/8", "10.1.2.3/24", "10.1.2.4/24", "169.254.1.1/16", "fe80::1/64", "2001:db8::7/64", "::1/128"} {
		ip, n, err := net.ParseCIDR(a)
		if err != nil {
			t.Fatal(err)
		}
		addresses = append(addresses, &net.IPNet{IP: ip, Mask: n.Mask})
	}
	if got := networks(addresses, false); !slices.Equal(got, []string{"10.1.2.0/24", "2001:db8::/64"}) {
		t.Errorf("beside a broker elsewhere: %v", got)
	}
	if got := networks(addresses, true); !slices.Equal(got, []string{"127.0.0.0/8", "10.1.2.0/24", "2001:db8::/64", "::1/128"}) {
		t.Errorf("beside a broker on this machine: %v", got)
	}
}

func TestGPUsThatCannotBe(t *testing.T) {
	for _, list := range []string{"x", "0,", "-1", "99", "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0"} {
		if _, err := openGPUs("gl", list, nil); err == nil || !strings.Contains(err.Error(), "--gpus") {
			t.Errorf("%s: %v", list, err)
		}
	}
	if _, err := openGPUs("cpu", "0", nil); !errors.Is(err, service.ErrUsage) {
		t.Errorf("a GPU for the processor: %v", err)
	}
}
