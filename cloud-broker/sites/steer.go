package sites

import (
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tomocast/tomocast/cloud-broker/defrag"
	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/scale"
	"github.com/tomocast/tomocast/cloud-broker/scale/scaler"
	"github.com/tomocast/tomocast/internal/strictyaml"
	"github.com/tomocast/tomocast/signaling"
)

// Scaling is how running tasks are scaled (B5, B6).
type Scaling struct {
	Off      bool
	Sessions scale.Config // of rendering tasks
	Tasks    scale.Config // of all others
}

// ByType is the configuration of each type of task.
func (s *Scaling) ByType() map[signaling.TaskType]scale.Config {
	out := make(map[signaling.TaskType]scale.Config, len(signaling.TaskTypes))
	for _, t := range signaling.TaskTypes {
		out[t] = s.Tasks
	}
	out[signaling.Rendering] = s.Sessions
	return out
}

// Defragment is when tasks are moved together (B7, B8).
type Defragment struct {
	Off bool
	defrag.Config
}

// DefaultScaling is that of package scale.
func DefaultScaling() Scaling { return Scaling{Sessions: scale.Sessions(), Tasks: scale.Default()} }

// DefaultDefragment is that of package defrag.
func DefaultDefragment() Defragment { return Defragment{Config: defrag.Default()} }

// DefaultClosing is how long before a node closes what runs there is moved away.
const DefaultClosing = 2 * time.Minute

// maxWait bounds all waits and windows of scaling and defragmentation.
const maxWait = 30 * 24 * time.Hour

// group reads a section that may be off as a whole.
func group(n *yaml.Node, what string, off *bool, readers map[string]strictyaml.Reader) error {
	if n.Kind == yaml.ScalarNode {
		on, err := strictyaml.Boolean(n, what)
		*off = !on
		return err
	}
	return strictyaml.Fields(n, what, readers)
}

// wait reads a time into to.
func wait(name string, to *time.Duration) strictyaml.Reader {
	return func(v *yaml.Node) (err error) { *to, err = duration(v, name, maxWait); return err }
}

// share reads a number from 0 to 1 into to.
func share(name string, to *float64) strictyaml.Reader {
	return func(v *yaml.Node) (err error) { *to, err = strictyaml.Number(v, name, 1); return err }
}

// count reads a whole number into to.
func count(name string, to *int) strictyaml.Reader {
	return func(v *yaml.Node) error {
		i, err := strictyaml.Whole(v, name, 1_000_000)
		*to = int(i)
		return err
	}
}

func (p *parser) scaling(n *yaml.Node) error {
	s := &p.config.Scaling
	return group(n, "scaling", &s.Off, map[string]strictyaml.Reader{
		"sessions": func(v *yaml.Node) error { return scalingOf(v, "sessions", &s.Sessions) },
		"tasks":    func(v *yaml.Node) error { return scalingOf(v, "tasks", &s.Tasks) },
	})
}

func scalingOf(n *yaml.Node, what string, c *scale.Config) error {
	err := strictyaml.Fields(n, what, map[string]strictyaml.Reader{
		"window": wait("window", &c.Monitor.Window),
		"mean-of-rates": func(v *yaml.Node) (err error) {
			c.Monitor.Rates, err = strictyaml.Boolean(v, "mean-of-rates")
			return err
		},
		"shrink-below": share("shrink-below", &c.Scaler.Shrink),
		"expand-above": share("expand-above", &c.Scaler.Expand),
		"shrink-by": func(v *yaml.Node) error {
			t, err := strictyaml.Text(v, "shrink-by")
			c.Scaler.Amount = scaler.Rule(t)
			return err
		},
		"shrink-share": share("shrink-share", &c.Scaler.Share),
		"expand-least": share("expand-least", &c.Scaler.Least), "expand-most": share("expand-most", &c.Scaler.Most),
		"settle": wait("settle", &c.Scaler.Settle), "every": wait("every", &c.Scaler.Every),
		"rest-shrink": wait("rest-shrink", &c.Scaler.RestShrink), "rest-expand": wait("rest-expand", &c.Scaler.RestExpand),
		"shrink-wait": wait("shrink-wait", &c.Manager.Wait), "shrink-give-up": wait("shrink-give-up", &c.Manager.GiveUp),
		"expand-wait": wait("expand-wait", &c.Scheduler.Wait), "expand-give-up": wait("expand-give-up", &c.Scheduler.GiveUp),
		"ceiling": func(v *yaml.Node) (err error) { c.Ceiling, err = strictyaml.Number(v, "ceiling", 1000); return err },
		"retry":   wait("retry", &c.Scheduler.Retry),
		"kinds":   func(v *yaml.Node) error { return scaledKinds(v, &c.Scaler) },
	})
	if err != nil {
		return err
	}
	if err := c.Validate(); err != nil {
		return strictyaml.At(n, "%w (in %s)", err, what)
	}
	return nil
}

// kindNames are the kinds of resources as this file names them.
var kindNames = map[string]nodetime.Kind{"gpu-memory-mb": nodetime.GPUMemory, "gpu-milli": nodetime.GPUTime, "encoder-sessions": nodetime.Encoders,
	"cpu-milli": nodetime.CPU, "memory-mb": nodetime.Memory, "encoder-threads": nodetime.EncoderThreads, "encoder-kpps": nodetime.EncoderPixels}

// scaledKinds reads which kinds are scaled: some of those that can be.
func scaledKinds(n *yaml.Node, c *scaler.Config) error {
	kinds := map[nodetime.Kind]scaler.Kind{}
	err := strictyaml.List(n, "kinds", int(nodetime.Kinds), func(v *yaml.Node) error {
		name, err := strictyaml.Text(v, "kind")
		if err != nil {
			return err
		}
		k, known := kindNames[name]
		rule, scaled := scaler.Default.Kinds[k]
		if !known || !scaled {
			return strictyaml.At(v, "kind %.40q: gpu-milli, cpu-milli, memory-mb, encoder-threads or encoder-kpps", name)
		}
		kinds[k] = rule
		return nil
	})
	if err == nil && len(kinds) == 0 {
		err = strictyaml.At(n, "kinds is empty: where nothing is to be scaled, write scaling: off")
	}
	c.Kinds = kinds
	return err
}

func (p *parser) defragment(n *yaml.Node) error {
	d := &p.config.Defragment
	err := group(n, "defragment", &d.Off, map[string]strictyaml.Reader{
		"preset":    func(v *yaml.Node) error { p.preset = true; return levels(v, "preset", &d.Preset) },
		"threshold": func(v *yaml.Node) error { return levels(v, "threshold", &d.Threshold) },
		"hold":      wait("hold", &d.Hold),
		"rest":      wait("rest", &d.Rest), "settle": wait("settle", &d.Settle), "window": wait("window", &d.Window), "every": wait("every", &d.Every), "most": count("most", &d.Most),
		"room-wait": wait("room-wait", &d.Migration.Wait), "room-give-up": wait("room-give-up", &d.Migration.GiveUp),
		"elsewhere": func(v *yaml.Node) (err error) {
			d.Migration.Elsewhere, err = strictyaml.Boolean(v, "elsewhere")
			return err
		},
		"handover": wait("handover", &d.Migration.Handover), "retry": wait("retry", &d.Migration.Retry),
		"at-once": count("at-once", &d.Migration.AtOnce), "most-moves": count("most-moves", &d.Migration.Most),
	})
	switch {
	case err != nil:
		return err
	case d.Window <= 0:
		return strictyaml.At(n, "defragmentation: window (W2) is %v: more than 0", d.Window)
	}
	if err := d.Validate(); err != nil {
		return on(n, err)
	}
	if err := d.Migration.Validate(); err != nil {
		return strictyaml.At(n, "defragmentation: %w", err)
	}
	return nil
}

// levels reads amounts that are all new: what is left out is not looked at.
func levels(n *yaml.Node, what string, to *nodetime.Amounts) error {
	var r signaling.Resources
	err := amounts(n, what, &r)
	*to = nodetime.Of(r)
	return err
}

func (p *parser) closing(n *yaml.Node) (err error) {
	p.config.Closing, err = duration(n, "move-before-closing", 24*time.Hour)
	return err
}
