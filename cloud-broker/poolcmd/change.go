package poolcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/signaling"
)

// maxNodes bounds the nodes of one command.
const maxNodes = 1000

// nodeFlags defines what commands that change nodes have in common.
func nodeFlags(f *service.Flags) func() (*client, error) {
	f.Arguments("NODE...", "ids of the nodes", 1, maxNodes)
	return clientFlags(f)
}

// each changes the nodes one after the other, also behind one that fails, and says what became of each.
func each(nodes []string, out io.Writer, done string, do func(node string) error) error {
	var all error
	for _, n := range nodes {
		if err := do(n); err != nil {
			all = errors.Join(all, fmt.Errorf("%s: %w", clean(n), err))
			continue
		}
		if _, err := fmt.Fprintf(out, "%s: %s\n", clean(n), done); err != nil {
			return err
		}
	}
	return all
}

// changer is a command that asks for one operation on each node.
func changer(name, method, path, done string) func(context.Context, *service.Flags, []string, io.Writer) error {
	return func(ctx context.Context, f *service.Flags, args []string, out io.Writer) error {
		connect := nodeFlags(f)
		f.Example("cloud-broker pool "+name+" edge-7 edge-8", "both of them")
		if err := f.Parse(args); err != nil {
			return err
		}
		c, err := connect()
		if err != nil {
			return err
		}
		if path != "" {
			path = "/" + strings.TrimPrefix(path, "/")
		}
		return each(f.Args(), out, done, func(node string) error { return c.do(ctx, method, nodePath(node)+path, nil, nil, nil) })
	}
}

func drain(ctx context.Context, f *service.Flags, args []string, out io.Writer) error {
	f.Group("Drain")
	within := f.Duration("within", 0, "end what could not move away after this `time`, like 10m, at most 168h; without it, it goes on as long as it wants")
	connect := nodeFlags(f)
	f.Example("cloud-broker pool drain edge-7", "move what runs on edge-7 to other nodes, and let nothing new come; nobody notices")
	f.Example("cloud-broker pool drain edge-7 --within 10m", "the same, with a deadline")
	f.Example("cloud-broker pool uncordon edge-7", "take it back")
	if err := f.Parse(args); err != nil {
		return err
	}
	query, done := url.Values{}, "drains; what runs there moves to other nodes"
	if *within != 0 {
		if *within < time.Second || *within > 7*24*time.Hour {
			return fmt.Errorf("%w: --within %v: 1s to 168h", service.ErrUsage, *within)
		}
		query.Set("within", within.String())
		done = "drains; what runs there moves to other nodes, or ends within " + span(*within)
	}
	c, err := connect()
	if err != nil {
		return err
	}
	return each(f.Args(), out, done, func(node string) error { return c.do(ctx, "POST", nodePath(node)+"/drain", query, nil, nil) })
}

// whole is a flag with a whole number that may be left out.
type whole struct{ value *int64 }

func (w *whole) String() string {
	if w == nil || w.value == nil {
		return ""
	}
	return strconv.FormatInt(*w.value, 10)
}

func (w *whole) Set(s string) error {
	v, err := strconv.ParseInt(s, 10, 64)
	if err == nil {
		w.value = &v
	}
	return err
}

// amounts are the flags of signaling.Resources.
type amounts struct{ gpuMemory, gpu, encoders, cpu, memory whole }

func amountFlags(f *service.Flags) *amounts {
	a := &amounts{}
	f.Var(&a.gpu, "gpu-milli", "GPU time, `thousandths` of one GPU")
	f.Var(&a.gpuMemory, "gpu-memory-mb", "GPU memory, `MiB`")
	f.Var(&a.encoders, "encoders", "`number` of video encoders")
	f.Var(&a.cpu, "cpu-milli", "processor time, `thousandths` of a core")
	f.Var(&a.memory, "memory-mb", "memory, `MiB`")
	return a
}

// over returns r with the amounts that were given, and whether any was.
func (a *amounts) over(r signaling.Resources) (signaling.Resources, bool) {
	given := false
	for _, p := range []struct {
		from whole
		to   *int64
	}{{a.gpuMemory, &r.GPUMemoryMB}, {a.gpu, &r.GPUMilli}, {a.encoders, &r.EncoderSessions}, {a.cpu, &r.CPUMilli}, {a.memory, &r.MemoryMB}} {
		if p.from.value != nil {
			*p.to, given = *p.from.value, true
		}
	}
	return r, given
}

func override(ctx context.Context, f *service.Flags, args []string, out io.Writer) error {
	f.Group("What the node offers, at most what it has itself (what is left out stays as it is)")
	types := f.Strings("types", "task `types` that it takes, with commas between them")
	zone := f.String("zone", "", "`zone` that it stands in")
	distance := f.String("distance-ms", "", "`milliseconds` of round trip to its terminals")
	amounts := amountFlags(f)
	reset := f.Bool("clear", false, "let it offer again what it registers with")
	connect := nodeFlags(f)
	f.Example("cloud-broker pool override edge-7 --types rendering --encoders 1", "only sessions on edge-7, one at a time; never more than it has itself")
	f.Example("cloud-broker pool override edge-7 --zone ward-4 --distance-ms 3", "it was moved")
	f.Example("cloud-broker pool override edge-7 --clear", "as it says itself")
	if err := f.Parse(args); err != nil {
		return err
	}
	var change signaling.Override
	for _, t := range *types {
		change.Types = append(change.Types, signaling.TaskType(t))
	}
	if *zone != "" {
		change.Zone = zone
	}
	if *distance != "" {
		v, err := strconv.ParseFloat(*distance, 64)
		if err != nil {
			return fmt.Errorf("%w: --distance-ms %.20q: a number of milliseconds", service.ErrUsage, *distance)
		}
		change.DistanceMs = &v
	}
	_, some := amounts.over(signaling.Resources{})
	some = some || change.Types != nil || change.Zone != nil || change.DistanceMs != nil
	if some == *reset {
		return fmt.Errorf("%w: say what the node offers, or --clear; cloud-broker pool override --help lists what there is", service.ErrUsage)
	}
	if err := change.Validate(); err != nil {
		return fmt.Errorf("%w: %w", service.ErrUsage, err)
	}
	c, err := connect()
	if err != nil {
		return err
	}
	if *reset {
		return each(f.Args(), out, "offers what it registers with", func(node string) error {
			return c.do(ctx, "DELETE", nodePath(node)+"/override", nil, nil, nil)
		})
	}
	return each(f.Args(), out, "overridden", func(id string) error {
		n, err := c.node(ctx, id)
		if err != nil {
			return err
		}
		return c.do(ctx, "PUT", nodePath(id)+"/override", nil, merge(n.value, change, amounts), nil)
	})
}

// merge returns the override of a node with a change: what the change leaves out stays as it is.
func merge(n node, change signaling.Override, given *amounts) signaling.Override {
	var o signaling.Override
	if n.Override != nil {
		o = *n.Override
	}
	if change.Types != nil {
		o.Types = change.Types
	}
	if change.Zone != nil {
		o.Zone = change.Zone
	}
	if change.DistanceMs != nil {
		o.DistanceMs = change.DistanceMs
	}
	if capacity, some := given.over(n.Capacity); some {
		o.Capacity = &capacity
	}
	return o
}
