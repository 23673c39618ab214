package poolcmd

import (
	"context"
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
	to := f.String("to", "", "`id` of the node to move to; without it the best one")
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
	if err := c.do(ctx, "POST", "/tasks/"+url.PathEscape(f.Args()[0])+"/move", nil, map[string]string{"to": *to}, &m); err != nil {
		return err
	}
	if *asJSON {
		return indented(out, m)
	}
	where := "the best node"
	if m.value.To != "" {
		where = string(m.value.To)
	}
	_, err = fmt.Fprintf(out, "%s: moves from %s to %s (%s)\n", clean(string(m.value.Task)), clean(string(m.value.From)), clean(where), clean(m.value.State))
	return err
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
		t.add(string(o.Task), string(o.Node), o.Kind, o.Direction, fmt.Sprint(o.From), fmt.Sprint(o.To), strings.ReplaceAll(o.State, "-", " "),
			at.ago(since), again, o.Why)
	}
	t.print(w)
}
