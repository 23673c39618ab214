package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/agent"
	"github.com/tomocast/tomocast/edge-renderer/encode"
	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/signaling"
)

// node is how the edge registers, with the GPUs that it renders on; loopback says whether terminals may be on this machine.
func (s *serveFlags) node(renderer string, gpus int, loopback bool) (signaling.Node, error) {
	perSession := signaling.DefaultResources(signaling.Rendering)
	milli := max(1000, int64((*s.sessions+gpus-1)/gpus)*perSession.GPUMilli)
	n := signaling.Node{
		ID: signaling.NodeID(*s.id), Tier: signaling.Tier(*s.tier), State: signaling.NodeStarting, Version: service.Version(),
		Zone: *s.zone, DistanceMs: *s.distance, Renderer: renderer,
		Capacity: signaling.Resources{GPUMemoryMB: int64(gpus) * *s.gpuMemory, GPUMilli: int64(gpus) * milli, EncoderSessions: int64(*s.sessions),
			CPUMilli: int64(max(runtime.NumCPU(), (*s.sessions+1)/2)) * 1000, MemoryMB: *s.volumeMemory},
	}
	if gpus > 1 {
		for range gpus {
			n.GPUs = append(n.GPUs, signaling.GPU{MemoryMB: *s.gpuMemory, Milli: milli})
		}
	}
	if n.ID == "" {
		host, err := os.Hostname()
		if err != nil || !signaling.ValidName(host) {
			return n, fmt.Errorf("%w: the host's name %.70q cannot name the edge: give --id", service.ErrUsage, host)
		}
		n.ID = signaling.NodeID(host)
	}
	var err error
	if n.Types, err = parseTypes(*s.types); err != nil {
		return n, err
	}
	if n.Handling, err = parseHandling(*s.handling, n.Types); err != nil {
		return n, err
	}
	if n.Expires, err = parseUntil(*s.until, time.Now()); err != nil {
		return n, err
	}
	if *s.directURL != "" {
		direct, err := url.Parse(*s.directURL)
		if err != nil || (direct.Scheme != "wss" && direct.Scheme != "ws") || direct.Host == "" || direct.RawQuery != "" || direct.Fragment != "" {
			return n, fmt.Errorf("%w: --direct-url %.100q: write it like wss://edge.example.org:8090", service.ErrUsage, *s.directURL)
		}
		n.DirectURL = direct.JoinPath(agent.SignalPath).String()
		direct.Scheme = map[string]string{"ws": "http", "wss": "https"}[direct.Scheme]
		n.URL = strings.TrimSuffix(direct.String(), "/")
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return n, fmt.Errorf("ask for the networks of this machine: %w", err)
	}
	n.Networks = networks(addresses, loopback)
	for _, info := range encode.Available() {
		if info.Usable && !slices.Contains(n.Codecs, string(info.Codec)) {
			n.Codecs = append(n.Codecs, string(info.Codec))
		}
	}
	if len(n.Codecs) == 0 && slices.Contains(n.Types, signaling.Rendering) {
		return n, errors.New("no video encoder opens on this machine: install libopenh264 or libvpx")
	}
	if err := n.Validate(); err != nil {
		return n, fmt.Errorf("%w: this edge cannot register: %w", service.ErrUsage, err)
	}
	return n, nil
}

// parseUntil is when the machine goes; nil where nobody knows.
func parseUntil(value string, now time.Time) (*time.Time, error) {
	if value == "" {
		return nil, nil
	}
	t, err := time.Parse(time.RFC3339, value)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: --until %.60q: write it like 2026-03-01T18:00:00Z (RFC 3339)", service.ErrUsage, value)
	case !t.After(now):
		return nil, fmt.Errorf("%w: --until %.60q is over: give the time at which this machine will go", service.ErrUsage, value)
	}
	t = t.UTC()
	return &t, nil
}

// networks are the prefixes of a machine's local networks, without those of its own that no terminal is in.
func networks(addresses []net.Addr, loopback bool) []string {
	var out []string
	for _, a := range addresses {
		p, err := netip.ParsePrefix(a.String())
		if err != nil || p.Addr().IsLinkLocalUnicast() || p.Addr().IsLoopback() && !loopback {
			continue
		}
		if s := p.Masked().String(); p.Bits() > 0 && !slices.Contains(out, s) && len(out) < signaling.MaxNetworks {
			out = append(out, s)
		}
	}
	return out
}

// parseTypes is the task types that the edge takes: all that it can do, or those of --types.
func parseTypes(list []string) ([]signaling.TaskType, error) {
	can := append(task.Types(), signaling.Rendering)
	if len(list) == 0 {
		return can, nil
	}
	var out []signaling.TaskType
	for _, entry := range list {
		for _, name := range strings.Split(entry, ",") {
			t := signaling.TaskType(strings.TrimSpace(name))
			switch {
			case !slices.Contains(can, t):
				return nil, fmt.Errorf("%w: --types %.40q: this edge can do %v", service.ErrUsage, name, can)
			case !slices.Contains(out, t):
				out = append(out, t)
			}
		}
	}
	return out, nil
}

// parseHandling is how tasks of each type are handled (A9): as --handling says, else as is the default.
func parseHandling(list []string, types []signaling.TaskType) (map[signaling.TaskType]signaling.Handling, error) {
	out := map[signaling.TaskType]signaling.Handling{}
	for _, t := range types {
		out[t] = signaling.DefaultHandling(t)
	}
	for _, entry := range list {
		name, mode, ok := strings.Cut(entry, "=")
		t, h := signaling.TaskType(name), signaling.Handling(mode)
		switch {
		case !ok || !t.Valid() || !h.Valid():
			return nil, fmt.Errorf("%w: --handling %.80q: write it like training=defer, with a task type of %v and resident, allocate, defer or ask",
				service.ErrUsage, entry, signaling.TaskTypes)
		case t == signaling.Rendering && h != signaling.HandlingAllocate:
			return nil, fmt.Errorf("%w: --handling %.80q: rendering has resources of its own, it can only be allocate", service.ErrUsage, entry)
		case !slices.Contains(types, t):
			return nil, fmt.Errorf("%w: --handling %.80q: this edge takes %v", service.ErrUsage, entry, types)
		}
		out[t] = h
	}
	return out, nil
}
