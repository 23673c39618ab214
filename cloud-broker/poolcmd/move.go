package poolcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/signaling"
)

func move(ctx context.Context, f *service.Flags, args []string, out io.Writer) error {
	f.Arguments("TASK", "id of the task", 1, 1)
	f.Group("Move")
	var to target
	f.Var(&to, "to", "`id` of the node to move to; without it the best one")
	f.Group("Output")
	asJSON := f.Bool("json", false, "print what the API answered, as JSON")
	connect := clientFlags(f)
	f.Example("cloud-broker pool move t-4d1c", "move the task to the node that suits it best; its user goes on meanwhile")
	f.Example("cloud-broker pool move t-4d1c --to edge-7", "move it to edge-7")
	f.Example("cloud-broker pool moves --watch", "see how it goes")
	if err := f.Parse(args); err != nil {
		return err
	}
	c, err := connect()
	if err != nil {
		return err
	}
	var m answered[signaling.Moving]
	if err := c.do(ctx, "POST", "/tasks/"+url.PathEscape(f.Args()[0])+"/move", nil, map[string]string{"to": string(to)}, &m); err != nil {
		return err
	}
	if *asJSON {
		return indented(out, m)
	}
	said, err := told(&m.value)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, said)
	return err
}

// target is a flag with the node to move to; an empty one would be any.
type target string

func (t *target) String() string { return string(*t) }

// Set takes what is written.
func (t *target) Set(text string) error {
	if text == "" {
		return errors.New("the id of a node; leave --to out for the best one")
	}
	*t = target(text)
	return nil
}

// told is how a move begins in a line; an error where it has ended already without moving.
func told(m *signaling.Moving) (string, error) {
	task, where := clean(string(m.Task)), "the best node"
	if m.To != "" {
		where = clean(string(m.To))
	}
	why := ""
	if m.Why != "" {
		why = ": " + clean(m.Why)
	}
	switch m.State {
	case "stays", "failed":
		return "", fmt.Errorf("%s stays on %s%s", task, clean(string(m.From)), why)
	case "waiting":
		return fmt.Sprintf("%s: waits to move from %s to %s%s; cloud-broker pool moves shows how it goes", task, clean(string(m.From)), where, why), nil
	}
	return fmt.Sprintf("%s: moves from %s to %s (%s)%s", task, clean(string(m.From)), where, clean(m.State), why), nil
}

// ended is behind the state of a move that is over.
func ended(m *signaling.Moving) bool { return m.EndedAt != nil }

func moves(ctx context.Context, f *service.Flags, args []string, out io.Writer) error {
	d, connect := displayFlags(f, out), clientFlags(f)
	f.Example("cloud-broker pool moves --watch", "what moves, live")
	return d.parsed(ctx, f, args, connect, func(ctx context.Context, c *client) (page, error) {
		var m answered[struct {
			Moves []signaling.Moving `json:"moves"`
		}]
		if err := c.do(ctx, "GET", "/moves", nil, nil, &m); err != nil {
			return page{}, err
		}
		return page{m, func(w io.Writer, at moment) { printMoves(w, at, m.value.Moves) }}, nil
	})
}

func printMoves(w io.Writer, at moment, all []signaling.Moving) {
	if len(all) == 0 {
		fmt.Fprintln(w, "Nothing moves, and nothing has moved lately.")
		return
	}
	t := table{titles: []string{"TASK", "TYPE", "FROM", "TO", "BECAUSE OF", "STATE", ">BEGAN", ">TOOK", "WHY"}}
	for i := range all {
		m := &all[i]
		took := ""
		if ended(m) {
			took = exact(m.EndedAt.Sub(m.BeganAt))
		}
		t.add(string(m.Task), string(m.Type), string(m.From), string(m.To), string(m.Reason), m.State, at.ago(m.BeganAt), took, m.Why)
	}
	t.print(w)
}

// exact is a duration with tenths of a second where it is short.
func exact(d time.Duration) string {
	if d >= 0 && d < 10*time.Second {
		return number(d.Seconds()) + "s"
	}
	return short(d)
}

// order is an order to give a task more or less, or how one ended.
type order struct {
	Task      signaling.TaskID `json:"task"`
	Node      signaling.NodeID `json:"node"`
	Kind      string           `json:"kind"`
	Direction string           `json:"direction"`
	From      int64            `json:"from"`
	To        int64            `json:"to"`
	State     string           `json:"state"`
	Why       string           `json:"why,omitempty"`
	CreatedAt time.Time        `json:"createdAt"`
	DueAt     *time.Time       `json:"dueAt,omitempty"`
	EndedAt   *time.Time       `json:"endedAt,omitempty"`
}

func scaling(ctx context.Context, f *service.Flags, args []string, out io.Writer) error {
	d, connect := displayFlags(f, out), clientFlags(f)
	f.Example("cloud-broker pool scaling --watch", "what running tasks are given and what is taken from them, live")
	return d.parsed(ctx, f, args, connect, func(ctx context.Context, c *client) (page, error) {
		var s answered[struct {
			Orders  []order `json:"orders"`
			Reports []order `json:"reports"`
		}]
		if err := c.do(ctx, "GET", "/scaling", nil, nil, &s); err != nil {
			return page{}, err
		}
		return page{s, func(w io.Writer, at moment) { printOrders(w, at, append(s.value.Orders, s.value.Reports...)) }}, nil
	})
}

func printOrders(w io.Writer, at moment, all []order) {
	if len(all) == 0 {
		fmt.Fprintln(w, "Nothing was scaled lately.")
		return
	}
	t := table{titles: []string{"TASK", "NODE", "RESOURCE", "ORDER", ">FROM", ">TO", "STATE", ">SINCE", ">AGAIN IN", "WHY"}}
	for _, o := range all {
		since, again := o.CreatedAt, ""
		if o.EndedAt != nil {
			since = *o.EndedAt
		} else if o.DueAt != nil {
			again = short(o.DueAt.Sub(at.now))
		}
		t.add(string(o.Task), string(o.Node), kindName(o.Kind), o.Direction, inUnits(o.Kind, o.From), inUnits(o.Kind, o.To), strings.ReplaceAll(o.State, "-", " "),
			at.ago(since), again, o.Why)
	}
	t.print(w)
}

// kindName is what is scaled in words: a resource, or a part of the encoder's.
func kindName(kind string) string {
	name, known := map[string]string{"gpuMilli": "GPU time", "gpuMemoryMB": "GPU memory", "encoderSessions": "encoders", "cpuMilli": "processor",
		"memoryMB": "memory", "encoderThreads": "encoder threads", "encoderKilopixels": "encoded pixels"}[kind]
	if !known {
		return kind
	}
	return name
}

// inUnits is an amount of a kind with its unit.
func inUnits(kind string, v int64) string {
	switch kind {
	case "gpuMilli":
		return percent(v, 1000) + " of a GPU"
	case "gpuMemoryMB", "memoryMB":
		return gib(v)
	case "cpuMilli":
		return number(float64(v)/1000) + " cores"
	case "encoderKilopixels":
		return number(float64(v)/1000) + " Mpixel/s"
	}
	return fmt.Sprint(v)
}
