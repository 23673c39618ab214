package dispatch

import (
	"cmp"
	"slices"

	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/sites"
	"github.com/tomocast/tomocast/signaling"
)

// where is what is known of the place that a request comes from, and what follows from it.
type where struct {
	who  Terminal
	site *sites.Site // nil where it is at none
	zone string
	// within are the zones that the data must not leave, nil for anywhere; keeper is the site that says so.
	within []string
	keeper string
	// limit is how far away a node may be, milliseconds; 0 is any (A7).
	limit float64
}

// locate says where a terminal is: by its token, else by what the request says, else by its network. Where its token or its
// network shows a site whose data stays, that site's rules hold, whatever other zone the request names.
func (d *Dispatcher) locate(who Terminal, r *signaling.TaskRequest) where {
	w := where{who: who}
	w.site, w.zone = d.Sites.Locate(cmp.Or(who.Principal.Zone, who.Zone, r.Zone), who.Address)
	if shown, zone := d.Sites.Locate(who.Principal.Zone, who.Address); shown != nil && shown.DataStays && shown != w.site {
		w.site, w.zone = shown, zone
	}
	w.limit = r.MaxDistanceMs
	if w.site != nil && w.site.MaxDistanceMs > 0 && (w.limit == 0 || w.site.MaxDistanceMs < w.limit) {
		w.limit = w.site.MaxDistanceMs
	}
	if s := d.owner(who, r); s != nil && s.DataStays {
		w.within, w.keeper = s.Within(), s.Name
	}
	return w
}

// owner is the site whose data a task works on: that of its source, else the terminal's. Where a terminal says itself that
// it is elsewhere, that does not take data out of the site that its token or its network shows.
func (d *Dispatcher) owner(who Terminal, r *signaling.TaskRequest) *sites.Site {
	if r.Series != nil {
		if from, err := d.Library.Source(r.Series.Source); err == nil && from.Site != "" {
			return d.siteNamed(from.Site)
		}
	}
	for _, zone := range []string{who.Principal.Zone, "", who.Zone, r.Zone} {
		if s, _ := d.Sites.Locate(zone, who.Address); s != nil {
			return s
		}
	}
	return nil
}

func (d *Dispatcher) siteNamed(name string) *sites.Site {
	if d.Sites == nil {
		return nil
	}
	i := slices.IndexFunc(d.Sites.Sites, func(s sites.Site) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &d.Sites.Sites[i]
}

// whenFull is what becomes of a request for which nothing is free: as it says, else as its site does, else it is refused.
func (w *where) whenFull(r *signaling.TaskRequest) signaling.WhenFull {
	site := signaling.WhenFull("")
	if w.site != nil {
		site = w.site.WhenFull
	}
	return cmp.Or(r.WhenFull, site, signaling.WhenFullRefuse)
}

// shadows says whether a request's session gets a shadow: it asks for one, and its site's network has need of it (A12).
func (w *where) shadows(r *signaling.TaskRequest) bool {
	return r.Shadow && (w.site == nil || !w.site.NoShadows)
}

// search is what placement needs to know of a request from there.
func (d *Dispatcher) search(r *signaling.TaskRequest, w *where, exclude []signaling.NodeID) placement.Request {
	q := placement.Request{
		Type: r.Type, Needs: r.Needs(), MaxDistanceMs: w.limit, Exclude: exclude,
		Zone: w.zone, Address: w.who.Address, Measured: r.Pings, Within: w.within,
	}
	if r.Series != nil {
		q.Volume = d.volumeKey(*r.Series)
	}
	return q
}

// mayHave says whether data that stays within zones may go to a node.
func (w *where) mayHave(n signaling.Node) bool {
	return w.within == nil || slices.Contains(w.within, n.Zone)
}
