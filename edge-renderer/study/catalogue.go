package study

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// catalogue is what a series holds: parts, and files that are none.
type catalogue struct {
	infos   []SliceInfo
	parts   []part // of slices
	objects []object
	list    []Part // all that can be shown, parts first, then other images
	leftOut []LeftOut
	fault   *Error // why the first file could not be read

	taken []*taken // of infos, once they have come
}

// catalogue takes the slices that have come apart; b.mu is held.
func (b *Builder) catalogue(list []*taken) *catalogue {
	c := &catalogue{infos: make([]SliceInfo, len(list)), taken: list, objects: b.objects, leftOut: slices.Clone(b.leftOut), fault: b.fault}
	for i, t := range list {
		c.infos[i] = t.info
	}
	c.arrange(b.opts)
	return c
}

// arrange finds the parts.
func (c *catalogue) arrange(opts Options) {
	c.parts = split(c.infos, opts.maxPlanes)
	for i := range c.parts {
		c.list = append(c.list, c.describe(&c.parts[i]))
	}
	slices.SortStableFunc(c.objects, func(a, b object) int {
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.uid, b.uid), cmp.Compare(a.name, b.name))
	})
	at := make(map[string]int)
	for i := range c.objects {
		o := &c.objects[i]
		if o.frames == 0 {
			c.leftOut = append(c.leftOut, LeftOut{Name: o.name, Reason: o.reason.Reason})
			continue
		}
		k, ok := at[o.kind]
		if !ok {
			k = len(c.list)
			at[o.kind] = k
			c.list = append(c.list, Part{Reason: o.reason.Reason})
		}
		p := &c.list[k]
		for f := range o.frames {
			p.Images = append(p.Images, ImageRef{o.uid, f})
		}
		p.Slices = len(p.Images)
		p.Name = fmt.Sprintf("%s, %s", bare(o.kind), plural(p.Slices, "image", "images"))
	}
	slices.SortStableFunc(c.leftOut, func(a, b LeftOut) int { return cmp.Compare(a.Name, b.Name) })
	for i := range c.list {
		c.list[i].Number = i + 1
	}
}

// bare is a kind without its article.
func bare(kind string) string {
	_, word, ok := strings.Cut(kind, " ")
	if !ok {
		return kind
	}
	return word
}

// describe is a part for those who choose one.
func (c *catalogue) describe(p *part) Part {
	out := Part{Name: p.name, Slices: len(p.phases[0].members), Volume: p.err == nil}
	if p.err != nil {
		out.Reason = p.err.Error()
		if len(p.slices()) == 1 { // there is no other that might be meant
			out.Reason = p.err.Reason
		}
	}
	for _, i := range p.slices() {
		out.Images = append(out.Images, ImageRef{c.infos[i].SOPInstanceUID, c.infos[i].Frame})
	}
	return out
}

// choose is the index of the part that was asked for, from 1; for 0 the largest volume.
func (c *catalogue) choose(number int) (int, error) {
	if number > len(c.list) {
		return 0, c.refuse(refuse(NoPart, "", "part %d was asked for, the series has %s", number, plural(len(c.list), "part", "parts")))
	}
	if number > 0 {
		p := &c.list[number-1]
		if p.Volume {
			return number - 1, nil
		}
		code := NotVolume
		if number <= len(c.parts) {
			code = c.parts[number-1].err.Code
		}
		if len(c.list) == 1 {
			return 0, c.refuse(c.whyNone())
		}
		return 0, c.refuse(refuse(code, "", "%s is no volume: %s", p.Name, p.Reason))
	}
	best := -1
	for i := range c.parts {
		if v := c.parts[i].voxels(); v > 0 && (best < 0 || v > c.parts[best].voxels()) {
			best = i
		}
	}
	if best >= 0 {
		return best, nil
	}
	return 0, c.refuse(c.whyNone())
}

// whyNone says why there is no volume.
func (c *catalogue) whyNone() *Error {
	switch {
	case len(c.parts) == 1:
		return c.parts[0].err
	case len(c.parts) > 1:
		code := c.parts[0].err.Code
		if len(c.parts) == len(c.infos) {
			return refuse(MixedGeometry, "", "none of the %d images has a matrix, spacing and orientation in common with another one (localizers, or projections from all sides)", len(c.infos))
		}
		return refuse(code, "", "none of the %d parts of the series is a volume; of the first, %s: %s", len(c.parts), c.parts[0].name, c.parts[0].err.Error())
	case len(c.list) > 0 || len(c.objects) > 0 && c.fault == nil:
		return c.objects[0].reason
	case c.fault != nil:
		return c.fault
	}
	return refuse(NoSlices, "", "the series has no slices; fetch it again")
}

// refuse gives an error what can be shown all the same.
func (c *catalogue) refuse(e *Error) *Error {
	out := *e
	out.Parts, out.LeftOut = c.list, c.leftOut
	return &out
}
