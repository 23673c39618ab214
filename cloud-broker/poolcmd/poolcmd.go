// Package poolcmd is the command cloud-broker pool: what operators see of a pool and tell it from the command line. It
// uses the broker's API alone, so it works from any machine that reaches a broker, with the rights of the token that it
// shows.
//
// What it prints of nodes and tasks came over the network: characters that would move a terminal's cursor or change its
// colours are replaced.
package poolcmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tomocast/tomocast/internal/service"
)

// command is one of the commands below cloud-broker pool.
type command struct {
	name, summary string
	run           func(ctx context.Context, f *service.Flags, args []string, out io.Writer) error
}

var commands = []command{
	{"list", "list the nodes with what they have free", list},
	{"describe", "show one node: what it is, what it takes, and what runs there", describe},
	{"queue", "list the tasks that wait for a place", queue},
	{"explain", "show where a task would be placed, and why", explain},
	{"cordon", "keep new tasks away from nodes; what runs there goes on", changer("cordon", "POST", "cordon", "cordoned: it takes nothing new")},
	{"uncordon", "let tasks come to nodes again", changer("uncordon", "POST", "uncordon", "takes tasks again")},
	{"drain", "let nodes take nothing new, and move what runs there to others", drain},
	{"forget", "take nodes out of the pool; what runs there fails", changer("forget", "DELETE", "", "forgotten")},
	{"move", "move a running task to another node, while its user goes on", move},
	{"moves", "list the tasks that move, and how the last moves ended", moves},
	{"schedule", "show or say when a node is open", schedule},
	{"time", "draw what will be free on a node when", nodeTime},
	{"scaling", "list what running tasks are given and what is taken from them", scaling},
	{"forecast", "show how long a task would run", forecast},
	{"predictions", "show how good the broker's predictions are, by type of task", predictions},
	{"predict", "replay the pool's history, and show how well run times are predicted from it", replay},
	{"history", "write what ended tasks asked for and used, one a line", history},
	{"override", "say what a node offers in place of what it registered with", override},
}

// Run runs cloud-broker pool with args, which begin behind "pool", and writes what it shows to out.
func Run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 {
		for _, c := range commands {
			if c.name == args[0] {
				f := service.NewFlags("cloud-broker pool "+c.name, strings.ToUpper(c.summary[:1])+c.summary[1:]+".")
				return c.run(ctx, f, args[1:], out)
			}
		}
	}
	f := service.NewFlags("cloud-broker pool", "Shows the nodes of a pool and changes them, by the API of a broker. "+
		"The exit status is 0 when it is done, 1 when the broker refused, 2 for wrong usage, and 3 when the broker cannot be reached.")
	for _, c := range commands {
		f.Command(c.name, c.summary)
	}
	f.Example("cloud-broker pool list", "the nodes of the broker on this machine, for which no token is needed")
	f.Example("cloud-broker pool list --broker https://broker.example.org --token-file token --watch", "those of another one, live")
	f.Example("cloud-broker pool drain edge-7 --within 30m", "move what runs on edge-7 to other nodes, and end what is left in half an hour")
	f.Example("cloud-broker pool explain --type rendering --zone ward-3", "where a session of a terminal in ward 3 would run, and why there")
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		return fmt.Errorf("%w: there is no command %.40q; cloud-broker pool --help lists what there is", service.ErrUsage, args[0])
	}
	if err := f.Parse(args); err != nil {
		return err
	}
	return fmt.Errorf("%w: a command is missing; cloud-broker pool --help lists what there is", service.ErrUsage)
}

// display is how a command shows what it found.
type display struct {
	json  *bool
	watch *bool
	out   io.Writer
}

func displayFlags(f *service.Flags, out io.Writer) display {
	f.Group("Output")
	return display{
		json:  f.Bool("json", false, "print what the API answered, as JSON"),
		watch: f.Bool("watch", false, "go on, and print it again whenever it has changed"),
		out:   out,
	}
}

// page is something that was found and can be shown.
type page struct {
	value any                     // as JSON
	print func(io.Writer, moment) // for people
}

// moment is when a page was read, by the broker's clock.
type moment struct{ now time.Time }

// ago is how long ago t was.
func (m moment) ago(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return short(m.now.Sub(t))
}

// indented writes an answer as JSON.
func indented(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// parsed parses a command line that needs no other look, connects, and shows what is read.
func (d display) parsed(ctx context.Context, f *service.Flags, args []string, connect func() (*client, error), read func(context.Context, *client) (page, error)) error {
	if err := f.Parse(args); err != nil {
		return err
	}
	c, err := connect()
	if err != nil {
		return err
	}
	return d.show(ctx, c, func(ctx context.Context) (page, error) { return read(ctx, c) })
}

// show reads a page and prints it; with --watch, again whenever the pool has changed.
func (d display) show(ctx context.Context, c *client, read func(context.Context) (page, error)) error {
	once := func(ctx context.Context, w io.Writer) error {
		p, err := read(ctx)
		if err != nil {
			return err
		}
		if !*d.json {
			p.print(w, moment{c.now()})
			return nil
		}
		if !*d.watch {
			return indented(w, p.value)
		}
		return json.NewEncoder(w).Encode(p.value)
	}
	if !*d.watch {
		return once(ctx, d.out)
	}
	return watch(ctx, c, d.out, !*d.json, once)
}
