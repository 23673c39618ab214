package service

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// checkWithin bounds all checks of one readiness request.
const checkWithin = 2 * time.Second

// Health answers whether the process lives and whether it may take work. The two differ: a broker without
// Redis lives, keeps its sessions, and takes nothing new.
type Health struct {
	mu     sync.Mutex
	names  []string
	checks map[string]func(context.Context) error
}

// Check adds something that must be so before the program is ready; its error says, without secrets or
// patient data, why it is not.
func (h *Health) Check(name string, check func(context.Context) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.checks == nil {
		h.checks = map[string]func(context.Context) error{}
	}
	if h.checks[name] == nil {
		h.names = append(h.names, name)
	}
	h.checks[name] = check
}

// Ready says what stands against taking work: the reason by the name of the check. It is empty when the
// program is ready.
func (h *Health) Ready(ctx context.Context) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	h.mu.Lock()
	names := append([]string(nil), h.names...)
	checks := make([]func(context.Context) error, len(names))
	for i, name := range names {
		checks[i] = h.checks[name]
	}
	h.mu.Unlock()
	reasons := map[string]string{}
	for i, name := range names {
		if err := checks[i](ctx); err != nil {
			reasons[name] = err.Error()
		}
	}
	return reasons
}

// Live answers GET /healthz: 200 as long as the process answers at all.
func (h *Health) Live(w http.ResponseWriter, _ *http.Request) {
	writeHealth(w, http.StatusOK, map[string]any{"status": "ok", "version": Version()})
}

// Readiness answers GET /readyz: 200, or 503 with the reasons.
func (h *Health) Readiness(w http.ResponseWriter, r *http.Request) {
	if reasons := h.Ready(r.Context()); len(reasons) > 0 {
		writeHealth(w, http.StatusServiceUnavailable, map[string]any{"status": "not ready", "reasons": reasons})
		return
	}
	writeHealth(w, http.StatusOK, map[string]any{"status": "ready"})
}

func writeHealth(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the peer is gone: nobody is left to tell
}
