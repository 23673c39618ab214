package poolcmd

import (
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

func nodeTime(ctx context.Context, f *service.Flags, args []string, out io.Writer) error {
	f.Arguments("NODE", "id of the node", 1, 1)
	f.Group("Time line")
	hours := f.Int("hours", 24, "how many hours it reaches ahead, 1 to 336")
	width := f.Int("width", 72, "how many characters wide it is drawn, 24 to 400")
	d, connect := displayFlags(f, out), clientFlags(f)
	f.Example("cloud-broker pool time edge-7", "what will be free on edge-7 today, and what runs there until when")
	f.Example("cloud-broker pool time edge-7 --hours 168 --watch", "this week, live")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *hours < 1 || *hours > 336 {
		return fmt.Errorf("%w: --hours %d: 1 to 336", service.ErrUsage, *hours)
	}
	if *width < 24 || *width > 400 {
		return fmt.Errorf("%w: --width %d: 24 to 400", service.ErrUsage, *width)
	}
	c, err := connect()
	if err != nil {
		return err
	}
	id := f.Args()[0]
	return d.show(ctx, c, func(ctx context.Context) (page, error) {
		var t answered[signaling.NodeTime]
		if err := c.do(ctx, "GET", nodePath(id)+"/time", url.Values{"hours": {strconv.Itoa(*hours)}}, nil, &t); err != nil {
			return page{}, err
		}
		n, err := c.node(ctx, id)
		return page{t, func(w io.Writer, at moment) {
			l := line{&t.value, n.value.Capacity, time.Duration(*hours) * time.Hour, *width}
			l.print(w, id, at)
		}}, err
	})
}

// line is a time line that is drawn.
type line struct {
	*signaling.NodeTime
	capacity signaling.Resources
	length   time.Duration
	width    int // characters
}

// drawn are the kinds of resources that are drawn.
var drawn = []struct {
	kind, title string
	of          func(signaling.Resources) int64
}{
	{"gpuMilli", "GPU time", func(r signaling.Resources) int64 { return r.GPUMilli }},
	{"gpuMemoryMB", "GPU memory", func(r signaling.Resources) int64 { return r.GPUMemoryMB }},
	{"encoderSessions", "encoders", func(r signaling.Resources) int64 { return r.EncoderSessions }},
	{"cpuMilli", "processor", func(r signaling.Resources) int64 { return r.CPUMilli }},
	{"memoryMB", "memory", func(r signaling.Resources) int64 { return r.MemoryMB }},
}

// shades say how much of a resource is in use, from nothing to all of it.
var shades = []rune("·░▒▓█")

func (l *line) print(w io.Writer, id string, at moment) {
	open, total := "open", ""
	if !l.Open {
		open = "closed"
	}
	for _, m := range l.Line {
		if m.Open != l.Open {
			open += fmt.Sprintf(" for %s", short(m.At.Sub(l.At)))
			break
		}
	}
	if l.TotalS != nil {
		total = seconds(*l.TotalS)
	} else {
		total = "as long as it wants"
	}
	fields(w, "Node", id, "Now", open, "Can be used", total)
	fmt.Fprintln(w)
	fmt.Fprintf(w, "%-12s%s  %s\n", "", l.ruler(), "FREE FOR")
	for _, k := range drawn {
		if k.of(l.capacity) == 0 {
			continue
		}
		left := ""
		if s, some := l.FreeS[k.kind]; some {
			left = seconds(s)
		}
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%-12s%s  %s", k.title, l.row(k.of), left), " "))
	}
	fmt.Fprintf(w, "%-12s%s nothing in use, %s all of it; blank: closed\n", "", string(shades[0]), string(shades[len(shades)-1]))
	if len(l.Tasks) == 0 {
		fmt.Fprintln(w, "\nNothing runs there.")
		return
	}
	fmt.Fprintln(w)
	t := table{titles: []string{"TASK", "TYPE", ">SINCE", ">ENDS IN", ">AT THE LATEST", "HOLDS", "AS"}}
	for _, r := range l.Tasks {
		ends, late, as := "nobody knows", "", "task"
		if r.EndsAt != nil {
			ends = short(r.EndsAt.Sub(at.now))
		}
		if r.LateAt != nil {
			late = short(r.LateAt.Sub(at.now))
		}
		switch {
		case r.Moves:
			as = "on its way here"
		case r.Shadow:
			as = "shadow"
		}
		what := string(r.Type)
		if r.Operation != "" {
			what += ", " + r.Operation
		}
		t.add(string(r.Task), what, at.ago(r.StartedAt), ends, late, resourcesText(r.Resources), as)
	}
	t.print(w)
}

// when is the time at the left end of a character.
func (l *line) when(column int) time.Time {
	return l.At.Add(time.Duration(column) * l.length / time.Duration(l.width))
}

// ruler has the hour or the day where there is room for it, by this machine's clock on the wall.
func (l *line) ruler() string {
	text := []rune(strings.Repeat(" ", l.width))
	layout, apart := "15:04", 12
	if l.length > 48*time.Hour {
		layout = "Mon 02"
	}
	for column := 0; column+len(layout) <= l.width; column += apart {
		copy(text[column:], []rune(l.when(column).Local().Format(layout)))
	}
	return string(text)
}

// row draws one kind: each character is the most that is in use within it, blank where the node is closed all the while.
func (l *line) row(of func(signaling.Resources) int64) string {
	out := make([]rune, l.width)
	for column := range out {
		from, to := l.when(column), l.when(column+1)
		used, open := int64(-1), false
		for i, m := range l.Line {
			if !m.At.Before(to) || i+1 < len(l.Line) && !l.Line[i+1].At.After(from) {
				continue
			}
			open = open || m.Open
			used = max(used, of(l.capacity)-of(m.Free))
		}
		switch all := of(l.capacity); {
		case !open:
			out[column] = ' '
		case used <= 0:
			out[column] = shades[0]
		default:
			out[column] = shades[min(1+int((used*int64(len(shades)-1)-1)/all), len(shades)-1)]
		}
	}
	return string(out)
}

// seconds is a time that is a number of seconds.
func seconds(s float64) string {
	const most = 100 * 365 * 24 * 3600
	return short(time.Duration(min(s, most) * float64(time.Second)))
}
