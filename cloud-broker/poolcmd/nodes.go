package poolcmd

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/signaling"
)

// node is a node as the API answers it.
type node struct {
	signaling.Node
	Load       signaling.Load      `json:"load"`
	Volumes    int                 `json:"volumes"`
	DrainUntil *time.Time          `json:"drainUntil,omitempty"`
	Override   *signaling.Override `json:"override,omitempty"`
	Tasks      []nodeTask          `json:"tasks,omitempty"`
	Time       *timeStatus         `json:"time,omitempty"`
}

// timeStatus is a node's time at a glance.
type timeStatus struct {
	Open     bool       `json:"open"`
	TotalS   *float64   `json:"totalS,omitempty"`
	FreeS    *float64   `json:"freeS,omitempty"`
	ClosesAt *time.Time `json:"closesAt,omitempty"`
	OpensAt  *time.Time `json:"opensAt,omitempty"`
}

// state is a node's state in a word, and that it is closed.
func (n *node) state() string {
	if n.Time != nil && !n.Time.Open {
		return string(n.State) + ", closed"
	}
	return string(n.State)
}

// text says it in a line.
func (t *timeStatus) text(at moment) string {
	switch {
	case t == nil:
		return ""
	case !t.Open && t.OpensAt == nil:
		return "closed for good"
	case !t.Open:
		return "closed, opens in " + short(t.OpensAt.Sub(at.now))
	}
	text := "open"
	if t.ClosesAt != nil {
		text += ", closes in " + short(t.ClosesAt.Sub(at.now))
	}
	if t.TotalS != nil && t.FreeS != nil {
		text += fmt.Sprintf(", can be used for %s, what is free for %s", seconds(*t.TotalS), seconds(*t.FreeS))
	}
	return text
}

type nodeTask struct {
	Task      signaling.TaskID    `json:"task"`
	Type      signaling.TaskType  `json:"type"`
	Operation string              `json:"operation,omitempty"`
	State     signaling.TaskState `json:"state"`
	Attempt   signaling.Attempt   `json:"attempt"`
	Resources signaling.Resources `json:"resources"`
	CreatedAt time.Time           `json:"createdAt"`
	Shadow    bool                `json:"shadow,omitempty"`
	Moves     bool                `json:"moves,omitempty"`
}

// pageOfNodes is how many nodes are asked for at a time: the API's most.
const pageOfNodes = 1000

func list(ctx context.Context, f *service.Flags, args []string, out io.Writer) error {
	f.Group("Nodes")
	state := f.String("state", "", "only nodes in this `state`: starting, ready, cordoned, draining or lost")
	tier := f.String("tier", "", "only nodes of this `tier`: edge or cloud")
	kind := f.String("type", "", "only nodes that take tasks of this `type`, for example rendering")
	zone := f.String("zone", "", "only nodes of this `zone`")
	search := f.String("search", "", "only nodes with this `text` in their id")
	limit := f.Int("limit", 1000, "how many are listed at most")
	d, connect := displayFlags(f, out), clientFlags(f)
	f.Example("cloud-broker pool list --state ready --type rendering", "the nodes that can take a session")
	f.Example("cloud-broker pool list --json | jq '.nodes[].id'", "the ids of all nodes, for another program")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *limit < 1 {
		return fmt.Errorf("%w: --limit %d: at least 1", service.ErrUsage, *limit)
	}
	c, err := connect()
	if err != nil {
		return err
	}
	query := url.Values{}
	for name, v := range map[string]string{"state": *state, "tier": *tier, "type": *kind, "zone": *zone, "search": *search} {
		if v != "" {
			query.Set(name, v)
		}
	}
	return d.show(ctx, c, func(ctx context.Context) (page, error) { return c.list(ctx, query, *limit) })
}

// nodeList is what list finds.
type nodeList struct {
	Nodes []answered[node] `json:"nodes"`
	Next  signaling.NodeID `json:"next,omitempty"`
}

func (c *client) list(ctx context.Context, query url.Values, limit int) (page, error) {
	found := nodeList{Nodes: []answered[node]{}}
	for {
		query.Set("limit", strconv.Itoa(min(limit-len(found.Nodes), pageOfNodes)))
		query.Set("after", string(found.Next))
		var some nodeList
		if err := c.do(ctx, "GET", "/nodes", query, nil, &some); err != nil {
			return page{}, err
		}
		found.Nodes, found.Next = append(found.Nodes, some.Nodes...), some.Next
		if found.Next == "" || len(found.Nodes) >= limit {
			break
		}
	}
	var o overview
	if err := c.do(ctx, "GET", "/pool", nil, nil, &o); err != nil {
		return page{}, err
	}
	return page{found, func(w io.Writer, at moment) {
		t := table{titles: []string{"NODE", "STATE", "TIER", "ZONE", ">DISTANCE", "TASKS", ">GPU", ">GPU GiB", ">ENCODERS", ">CORES", ">GiB", ">SESSIONS", ">STUDIES", ">SEEN"}}
		for _, a := range found.Nodes {
			n := &a.value
			used := n.Capacity.Sub(n.Free)
			t.add(string(n.ID), n.state(), string(n.Tier), n.Zone, ms(n.DistanceMs), types(n.Types),
				percent(used.GPUMilli, n.Capacity.GPUMilli), of(used.GPUMemoryMB, n.Capacity.GPUMemoryMB, 1024),
				of(used.EncoderSessions, n.Capacity.EncoderSessions, 1), of(used.CPUMilli, n.Capacity.CPUMilli, 1000),
				of(used.MemoryMB, n.Capacity.MemoryMB, 1024), strconv.FormatInt(n.Load.Sessions, 10), strconv.Itoa(n.Volumes), at.ago(n.SeenAt))
		}
		if len(t.rows) > 0 {
			t.print(w)
			fmt.Fprintln(w)
		} else {
			fmt.Fprintln(w, "No such node.")
		}
		if found.Next != "" {
			fmt.Fprintf(w, "There are more: --limit lists more than %d.\n", limit)
		}
		fmt.Fprintln(w, o.String())
	}}, nil
}

// overview is the pool at a glance.
type overview struct {
	Nodes    map[signaling.NodeState]int `json:"nodes"`
	Sessions int                         `json:"sessions"`
	Queue    int                         `json:"queue"`
	Desired  int                         `json:"desired"`
	Closed   int                         `json:"closed"` // of those that are ready
}

// String says it in a line.
func (o overview) String() string {
	all, states := 0, []string{}
	for _, s := range []signaling.NodeState{signaling.NodeReady, signaling.NodeStarting, signaling.NodeCordoned, signaling.NodeDraining, signaling.NodeLost} {
		if n := o.Nodes[s]; n > 0 {
			all += n
			text := strconv.Itoa(n) + " " + string(s)
			if s == signaling.NodeReady && o.Closed > 0 {
				text += ", " + strconv.Itoa(min(o.Closed, n)) + " of them closed"
			}
			states = append(states, text)
		}
	}
	text := count(all, "node")
	if len(states) > 0 {
		text += " (" + strings.Join(states, ", ") + ")"
	}
	return fmt.Sprintf("%s, %s, %s in the queue; the buffer policy asks for %s.", text, count(o.Sessions, "session"), count(o.Queue, "task"), count(o.Desired, "node"))
}

// types are task types in a few letters.
func types(all []signaling.TaskType) string {
	if len(all) == len(signaling.TaskTypes) {
		return "all"
	}
	names := make([]string, len(all))
	for i, t := range all {
		s := string(t)
		names[i] = cmp.Or(map[signaling.TaskType]string{
			signaling.ImageProcessing: "processing", signaling.ImageReconstruction: "reconstruction", signaling.DataComputation: "computation",
		}[t], s)
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

func describe(ctx context.Context, f *service.Flags, args []string, out io.Writer) error {
	f.Arguments("NODE", "id of the node", 1, 1)
	d, connect := displayFlags(f, out), clientFlags(f)
	f.Example("cloud-broker pool describe edge-7 --watch", "edge-7 and what runs there, live")
	return d.parsed(ctx, f, args, connect, func(ctx context.Context, c *client) (page, error) {
		n, err := c.node(ctx, f.Args()[0])
		return page{n, func(w io.Writer, at moment) { n.value.print(w, at) }}, err
	})
}

func (c *client) node(ctx context.Context, id string) (answered[node], error) {
	var n answered[node]
	err := c.do(ctx, "GET", nodePath(id), nil, nil, &n)
	return n, err
}

func nodePath(id string) string { return "/nodes/" + url.PathEscape(id) }

func (n *node) print(w io.Writer, at moment) {
	used := n.Capacity.Sub(n.Free)
	kinds := make([]string, len(n.Types))
	for i, t := range n.Types {
		kinds[i] = string(t)
		if h := n.Handling[t]; h != "" {
			kinds[i] += " (" + string(h) + ")"
		}
	}
	state := string(n.State)
	if n.DrainUntil != nil {
		state += " for " + short(n.DrainUntil.Sub(at.now))
	}
	if !n.SeenAt.IsZero() {
		state += ", seen " + at.ago(n.SeenAt) + " ago"
	}
	fields(w, "Node", string(n.ID), "State", state, "Time", n.Time.text(at), "Tier", string(n.Tier), "Zone", n.Zone,
		"Distance", ms(n.DistanceMs), "Version", n.Version, "Renderer", n.Renderer, "Codecs", strings.Join(n.Codecs, ", "),
		"Tasks", strings.Join(kinds, ", "), "Networks", strings.Join(n.Networks, ", "), "URL", n.URL, "Signalling", n.DirectURL,
		"Studies", strconv.Itoa(n.Volumes)+" loaded", "Override", overrideText(n.Override))
	fmt.Fprintln(w)
	t := table{titles: []string{"RESOURCE", ">HELD", ">OF", ">MEASURED"}}
	t.add("GPU time", percent(used.GPUMilli, 1000), percent(n.Capacity.GPUMilli, 1000), percent(n.Load.GPUMilli, 1000))
	t.add("GPU memory", gib(used.GPUMemoryMB), gib(n.Capacity.GPUMemoryMB), "")
	t.add("video encoders", strconv.FormatInt(used.EncoderSessions, 10), strconv.FormatInt(n.Capacity.EncoderSessions, 10), strconv.FormatInt(n.Load.Sessions, 10))
	t.add("processor cores", number(float64(used.CPUMilli)/1000), number(float64(n.Capacity.CPUMilli)/1000), number(float64(n.Load.CPUMilli)/1000))
	t.add("memory", gib(used.MemoryMB), gib(n.Capacity.MemoryMB), gib(n.Load.MemoryMB))
	for i, g := range n.GPUs {
		if i < len(n.FreeGPUs) {
			free := n.FreeGPUs[i]
			t.add(fmt.Sprintf("GPU %d", i), percent(g.Milli-free.Milli, 1000)+", "+gib(g.MemoryMB-free.MemoryMB), percent(g.Milli, 1000)+", "+gib(g.MemoryMB), "")
		}
	}
	t.print(w)
	fmt.Fprintln(w)
	if len(n.Tasks) == 0 {
		fmt.Fprintln(w, "Nothing runs there.")
		return
	}
	runs := table{titles: []string{"TASK", "TYPE", "STATE", ">SINCE", ">GPU", "ATTEMPT", ">FENCING", "AS"}}
	for _, r := range n.Tasks {
		as := "task"
		switch {
		case r.Shadow:
			as = "shadow"
		case r.Moves:
			as = "on its way here"
		}
		runs.add(string(r.Task), strings.TrimSuffix(string(r.Type)+" "+r.Operation, " "), string(r.State), at.ago(r.CreatedAt),
			strconv.Itoa(r.Attempt.GPU), string(r.Attempt.ID), strconv.FormatInt(r.Attempt.Fencing, 10), as)
	}
	runs.print(w)
}

func gib(mb int64) string { return number(float64(mb)/1024) + " GiB" }

// overrideText says what of a node is not as it registered.
func overrideText(o *signaling.Override) string {
	if o == nil {
		return ""
	}
	var parts []string
	if len(o.Types) > 0 {
		parts = append(parts, "takes "+types(o.Types))
	}
	if o.Capacity != nil {
		parts = append(parts, "offers "+resourcesText(*o.Capacity))
	}
	if o.Zone != nil {
		parts = append(parts, "zone "+cmp.Or(*o.Zone, "none"))
	}
	if o.DistanceMs != nil {
		parts = append(parts, ms(*o.DistanceMs)+" away")
	}
	return strings.Join(parts, "; ")
}

// resourcesText is amounts in words.
func resourcesText(r signaling.Resources) string {
	var parts []string
	for _, a := range []struct {
		has  int64
		text string
	}{
		{r.GPUMilli, percent(r.GPUMilli, 1000) + " of a GPU"}, {r.GPUMemoryMB, gib(r.GPUMemoryMB) + " GPU memory"},
		{r.EncoderSessions, count(int(r.EncoderSessions), "encoder")}, {r.CPUMilli, number(float64(r.CPUMilli)/1000) + " cores"},
		{r.MemoryMB, gib(r.MemoryMB) + " memory"},
	} {
		if a.has != 0 {
			parts = append(parts, a.text)
		}
	}
	return cmp.Or(strings.Join(parts, ", "), "nothing")
}
