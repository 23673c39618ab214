package chaos

import (
	"fmt"
	"net/http"
	"sync"

	"github.com/tomocast/tomocast/edge-renderer/agent"
)

// door is where terminals reach an edge themselves (A2). While the edge is dead it answers nobody.
type door struct {
	addr   string
	server *http.Server
	ended  sync.WaitGroup

	mu    sync.Mutex
	agent *agent.Agent // nil while the edge is dead
}

func newDoor() (*door, error) {
	l, err := listen()
	if err != nil {
		return nil, fmt.Errorf("chaos: a door for an edge: %w", err)
	}
	d := &door{addr: l.Addr().String()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+agent.PingPath, d.behind(func(_ *agent.Agent, w http.ResponseWriter, r *http.Request) { agent.ServePing(w, r) }))
	mux.HandleFunc("POST "+agent.TasksPath, d.behind((*agent.Agent).ServeTasks))
	d.server = &http.Server{Handler: mux, ReadHeaderTimeout: tryWithin}
	d.ended.Go(func() { _ = d.server.Serve(l) }) // it ends with close
	return d, nil
}

// behind has the edge's agent answer, if it lives.
func (d *door) behind(answer func(*agent.Agent, http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		a := d.agent
		d.mu.Unlock()
		if a == nil {
			panic(http.ErrAbortHandler) // the connection is cut
		}
		answer(a, w, r)
	}
}

// open has an agent answer; nil closes the door.
func (d *door) open(a *agent.Agent) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.agent = a
}

func (d *door) close() {
	_ = d.server.Close() // it is not used any more
	d.ended.Wait()
}
