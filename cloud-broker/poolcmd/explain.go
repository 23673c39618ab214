package poolcmd

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/signaling"
)

// explained is where a task would be placed, and why, as the API answers it.
type explained struct {
	Site          string              `json:"site,omitempty"`
	Zone          string              `json:"zone,omitempty"`
	MaxDistanceMs float64             `json:"maxDistanceMs,omitempty"`
	WhenFull      signaling.WhenFull  `json:"whenFull,omitempty"`
	Within        []string            `json:"within,omitempty"`
	Needs         signaling.Resources `json:"needs"`
	Policy        string              `json:"policy,omitempty"`
	Forecast      *signaling.Forecast `json:"forecast,omitempty"`
	Summary       string              `json:"summary"`
	Verdicts      []verdict           `json:"verdicts"`
}

type verdict struct {
	Node       signaling.NodeID    `json:"node"`
	Tier       signaling.Tier      `json:"tier"`
	State      signaling.NodeState `json:"state"`
	Zone       string              `json:"zone,omitempty"`
	Fits       bool                `json:"fits"`
	Rejected   string              `json:"rejected,omitempty"`
	DistanceMs float64             `json:"distanceMs"`
	Basis      signaling.Basis     `json:"basis"`
	Terms      []signaling.Term    `json:"terms"`
	CostMs     float64             `json:"costMs"`
}

// taskFlags are the flags that say what a task is; the function returned makes its request of them.
func taskFlags(f *service.Flags) func() signaling.TaskRequest {
	f.Group("Task")
	kind := f.String("type", string(signaling.Rendering), "task `type`: image-processing, image-reconstruction, data-computation, rendering or training")
	operation := f.String("operation", "", "`name` of the operation, of a compute task")
	source := f.String("source", "", "`name` of the source of the study")
	study := f.String("study", "", "`UID` of the study")
	series := f.String("series", "", "`UID` of the series, for the nodes that have it loaded")
	amounts := amountFlags(f)
	return func() signaling.TaskRequest {
		r := signaling.TaskRequest{Type: signaling.TaskType(*kind), Operation: *operation}
		if *study != "" || *series != "" || *source != "" {
			r.Series = &signaling.SeriesRef{Source: *source, StudyInstanceUID: *study, SeriesInstanceUID: *series}
		}
		if needs, some := amounts.over(signaling.DefaultResources(r.Type)); some {
			r.Resources = &needs
		}
		return r
	}
}

func explain(ctx context.Context, f *service.Flags, args []string, out io.Writer) error {
	request := taskFlags(f)
	f.Group("Terminal")
	zone := f.String("zone", "", "`zone` that it stands in")
	address := f.String("address", "", "its network `address`")
	far := f.Float64("max-distance-ms", 0, "take no node farther away than so many `milliseconds`")
	full := f.String("when-full", "", "`what` becomes of it where nothing is free: queue or refuse; without it as its site has it")
	f.Group("Answer")
	limit := f.Int("limit", 20, "how many nodes are told about at most")
	d, connect := displayFlags(f, out), clientFlags(f)
	f.Example("cloud-broker pool explain --address 10.1.2.3", "where a session of the terminal with this address would run")
	f.Example("cloud-broker pool explain --type training --zone ward-3 --cpu-milli 4000", "where four cores are free for a training near ward 3")
	if err := f.Parse(args); err != nil {
		return err
	}
	r := request()
	r.Zone, r.MaxDistanceMs, r.WhenFull = *zone, *far, signaling.WhenFull(*full)
	c, err := connect()
	if err != nil {
		return err
	}
	body := map[string]any{"request": r, "limit": *limit}
	if *address != "" {
		body["address"] = *address
	}
	return d.show(ctx, c, func(ctx context.Context) (page, error) {
		var x answered[explained]
		err := c.do(ctx, "POST", "/explain", nil, body, &x)
		return page{x, func(w io.Writer, _ moment) { x.value.print(w) }}, err
	})
}

func (x *explained) print(w io.Writer) {
	limit := ""
	if x.MaxDistanceMs > 0 {
		limit = "at most " + ms(x.MaxDistanceMs) + " away"
	}
	stays := ""
	if x.Within != nil {
		stays = "its data must not leave " + cmp.Or(strings.Join(x.Within, ", "), "its site")
	}
	fields(w, "Site", x.Site, "Zone", x.Zone, "Limit", limit, "Rule", stays, "Needs", resourcesText(x.Needs), "When full", string(x.WhenFull),
		"Policy", x.Policy, "Runs for", runsFor(x.Forecast), "In short", x.Summary)
	fmt.Fprintln(w)
	t := table{titles: []string{">#", "NODE", "TIER", "STATE", "ZONE", ">DISTANCE", "KNOWN BY", ">COST", "WHY"}}
	place := 0
	for _, v := range x.Verdicts {
		rank, why, cost := "", "no: "+v.Rejected, ""
		if v.Fits {
			place++
			rank, why, cost = strconv.Itoa(place), terms(v.Terms), ms(v.CostMs)
		}
		t.add(rank, string(v.Node), string(v.Tier), string(v.State), v.Zone, ms(v.DistanceMs), string(v.Basis), cost, why)
	}
	if len(t.rows) == 0 {
		fmt.Fprintln(w, "There is no node to tell about.")
		return
	}
	t.print(w)
}

// runsFor is what is predicted of a run in a line.
func runsFor(f *signaling.Forecast) string {
	switch {
	case f == nil:
		return ""
	case !f.Known:
		return "nobody knows: nothing like it has run yet"
	}
	return fmt.Sprintf("%s, eight of ten %s to %s", run(f.ExpectedMs), run(f.LowMs), run(f.HighMs))
}

// terms are the parts of a cost in a line.
func terms(all []signaling.Term) string {
	parts := make([]string, len(all))
	for i, t := range all {
		parts[i] = t.Name + " " + signed(t.Ms)
	}
	return strings.Join(parts, ", ")
}

func signed(v float64) string {
	if v > 0 {
		return "+" + number(v)
	}
	return number(v)
}

// waiting is a task of the queue.
type waiting struct {
	Task      signaling.TaskID    `json:"task"`
	Type      signaling.TaskType  `json:"type"`
	Operation string              `json:"operation,omitempty"`
	Creator   string              `json:"creator,omitempty"`
	Zone      string              `json:"zone,omitempty"`
	Needs     signaling.Resources `json:"needs"`
	Urgent    bool                `json:"urgent,omitempty"`
	Since     time.Time           `json:"since"`
	Reason    string              `json:"reason,omitempty"`
	Queue     *signaling.Queue    `json:"queue,omitempty"`
}

func queue(ctx context.Context, f *service.Flags, args []string, out io.Writer) error {
	f.Group("Queue")
	limit := f.Int("limit", 100, "how many are listed at most, 1 to 1000")
	d, connect := displayFlags(f, out), clientFlags(f)
	f.Example("cloud-broker pool queue --watch", "what waits, live")
	return d.parsed(ctx, f, args, connect, func(ctx context.Context, c *client) (page, error) {
		var q answered[struct {
			Tasks []waiting `json:"tasks"`
		}]
		if err := c.do(ctx, "GET", "/pool/queue", url.Values{"limit": {strconv.Itoa(*limit)}}, nil, &q); err != nil {
			return page{}, err
		}
		return page{q, func(w io.Writer, at moment) { printQueue(w, at, q.value.Tasks) }}, nil
	})
}

// shownHash is how much is shown of the hash that stands for who asked: enough to tell one from another.
const shownHash = 8

func printQueue(w io.Writer, at moment, tasks []waiting) {
	if len(tasks) == 0 {
		fmt.Fprintln(w, "Nothing waits.")
		return
	}
	t := table{titles: []string{">#", "TASK", "TYPE", "WHO", "ZONE", ">WAITS", ">EXPECTED", "URGENT", "NEEDS", "WHY"}}
	for i, q := range tasks {
		place, wait, urgent := i+1, "", ""
		if q.Queue != nil {
			if q.Queue.Position > 0 {
				place = q.Queue.Position
			}
			if q.Queue.ExpectedWaitMs > 0 {
				wait = short(time.Duration(q.Queue.ExpectedWaitMs) * time.Millisecond)
			}
		}
		if q.Urgent {
			urgent = "yes"
		}
		t.add(strconv.Itoa(place), string(q.Task), strings.TrimSuffix(string(q.Type)+" "+q.Operation, " "), q.Creator[:min(len(q.Creator), shownHash)], q.Zone, at.ago(q.Since), wait, urgent,
			resourcesText(q.Needs), q.Reason)
	}
	t.print(w)
}
