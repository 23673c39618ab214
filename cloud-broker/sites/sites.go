package sites

import (
	"net/netip"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/capacity"
	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/signaling"
)

// Config is what is configured of places. A nil Config knows none.
type Config struct {
	Sites     []Site
	Distances []placement.ZoneDistance // round trips between zones
	CloudMs   map[string]float64       // round trips from zones to the cloud
	// ElsewhereMs is the round trip between zones that Distances does not have; 0 where it is not known.
	ElsewhereMs float64
	Nodes       map[signaling.NodeID]signaling.Override
	Schedules   map[signaling.NodeID]signaling.Schedule // when nodes are open
	Buffer      Buffer                                  // capacity.Default where it is not configured
	Policy      string                                  // how nodes are chosen; empty is the usual way
	Quotas      Quotas
	Scaling     Scaling
	Defragment  Defragment
	// Closing is how long before a node closes what runs there is moved away.
	Closing time.Duration

	table    *placement.Distances
	zones    map[string]int // the site of each zone
	networks map[netip.Prefix]place
	lengths  [2][]int // of the IPv4 and the IPv6 networks, the longest first
}

// Site is a place.
type Site struct {
	Name  string
	Zones []string // at least one; terminals that only their address places stand in the first
	// Networks are the prefixes of its terminals' addresses.
	Networks      []netip.Prefix
	MaxDistanceMs float64            // its terminals take no edge farther away; 0 is any
	DataStays     bool               // its data does not leave its zones
	WhenFull      signaling.WhenFull // for requests that do not say; empty where the site does not either
	NoShadows     bool               // its sessions need no second edge (A12)
	NoCreators    bool               // predictions of its tasks do not look at who asked (B2)
}

// Buffer is how many nodes are kept free.
type Buffer = capacity.Policy

// place is where the terminals of a network stand.
type place struct {
	site int
	zone string
}

// Locate finds the site and zone of a terminal: by the zone that it names, where a site has that; else by its network
// address, where at is valid. Where neither places it, site is nil and z the zone that it names.
func (c *Config) Locate(zone string, at netip.Addr) (site *Site, z string) {
	if c == nil {
		return nil, zone
	}
	if site := c.SiteOf(zone); site != nil {
		return site, zone
	}
	at = at.Unmap().WithZone("")
	for _, bits := range c.lengths[family(at)] {
		prefix, err := at.Prefix(bits)
		if err != nil {
			break
		}
		if p, ok := c.networks[prefix]; ok {
			return &c.Sites[p.site], p.zone
		}
	}
	return nil, zone
}

// family is 0 for IPv4 and 1 for IPv6.
func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

// SiteOf returns the site that has a zone, or nil.
func (c *Config) SiteOf(zone string) *Site {
	if c == nil {
		return nil
	}
	if i, ok := c.zones[zone]; ok {
		return &c.Sites[i]
	}
	return nil
}

// Table returns the cost table of distances, nil where none is configured.
func (c *Config) Table() *placement.Distances {
	if c == nil {
		return nil
	}
	return c.table
}

// Within are the zones that a site's data must not leave, nil where it may go anywhere.
func (s *Site) Within() []string {
	if s == nil || !s.DataStays {
		return nil
	}
	return s.Zones
}
