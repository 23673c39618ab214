package sites

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tomocast/tomocast/cloud-broker/capacity"
	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/internal/strictyaml"
	"github.com/tomocast/tomocast/signaling"
)

// Bounds of the configuration.
const (
	maxConfig    = 4 << 20
	maxSites     = 1024
	maxZones     = 256 // of a site
	maxNetworks  = 1024
	maxDistances = 20_000
	maxNodes     = 10_000
	maxBuffer    = 100_000
	maxShare     = 10
	maxNumber    = 1e6 // of numbers that are no amounts
)

// Read reads a configuration file, YAML as Example shows. What cannot be is refused with its line.
func Read(file string) (*Config, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the configuration of sites: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("read the configuration of sites %s: %w", file, err)
	}
	c, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s, %w", file, err)
	}
	return c, nil
}

// Default is the configuration where there is no file.
func Default() *Config {
	return &Config{Buffer: capacity.Default, Closing: DefaultClosing, Scaling: DefaultScaling(), Defragment: DefaultDefragment(),
		zones: map[string]int{}, networks: map[netip.Prefix]place{}}
}

// Parse reads a configuration. Errors begin with the line that is wrong.
func Parse(data []byte) (*Config, error) {
	if len(data) > maxConfig {
		return nil, fmt.Errorf("line 1: the file is longer than %d bytes", maxConfig)
	}
	root, err := strictyaml.Document(data, "sites, distances, nodes, buffer, policy, quotas, scaling, defragment or move-before-closing")
	if err != nil {
		return nil, err
	}
	// Sites first, wherever they stand in the file: the other parts name their zones.
	p := parser{config: Default(), pairs: map[[2]string]bool{}}
	parts := map[string]strictyaml.Reader{"sites": p.sites, "distances": p.distances, "nodes": p.nodes, "buffer": p.buffer, "policy": p.policy,
		"quotas": p.quotas, "scaling": p.scaling, "defragment": p.defragment, "move-before-closing": p.closing}
	for _, first := range []bool{true, false} {
		readers := make(map[string]strictyaml.Reader, len(parts))
		for name, read := range parts {
			if readers[name] = read; (name == "sites") != first {
				readers[name] = func(*yaml.Node) error { return nil }
			}
		}
		if err := strictyaml.Fields(root, "the file", readers); err != nil {
			return nil, err
		}
	}
	return p.finish(), nil
}

// parser fills a configuration from its YAML.
type parser struct {
	config *Config
	pairs  map[[2]string]bool // zones that have a distance already, by name
	preset bool               // of defragmentation: it is configured
}

func (p *parser) finish() *Config {
	c := p.config
	for n := range c.networks {
		if l := &c.lengths[family(n.Addr())]; !slices.Contains(*l, n.Bits()) {
			*l = append(*l, n.Bits())
		}
	}
	for _, l := range c.lengths {
		slices.SortFunc(l, func(a, b int) int { return b - a })
	}
	if len(c.Distances)+len(c.CloudMs) > 0 || c.ElsewhereMs > 0 {
		c.table = placement.NewDistances(c.Distances, c.CloudMs, c.ElsewhereMs)
	}
	if c.Policy == spread && !p.preset { // what it spreads is not to be moved together again
		c.Defragment.Preset = nodetime.Amounts{}
	}
	return c
}

func (p *parser) sites(n *yaml.Node) error {
	return strictyaml.List(n, "sites", maxSites, p.site)
}

func (p *parser) site(n *yaml.Node) error {
	s, index := Site{}, len(p.config.Sites)
	var networks *yaml.Node // read when the zones are known
	err := strictyaml.Fields(n, "a site", map[string]strictyaml.Reader{
		"name": func(v *yaml.Node) (err error) {
			if s.Name, err = name(v, "name"); err == nil && slices.ContainsFunc(p.config.Sites, func(o Site) bool { return o.Name == s.Name }) {
				err = strictyaml.At(v, "there is a site named %s already", s.Name)
			}
			return err
		},
		"zones": func(v *yaml.Node) error {
			return strictyaml.List(v, "zones", maxZones, func(v *yaml.Node) error {
				z, err := name(v, "zone")
				if err != nil {
					return err
				}
				if _, taken := p.config.zones[z]; taken {
					return strictyaml.At(v, "zone %s appears twice: a zone belongs to one site", z)
				}
				p.config.zones[z], s.Zones = index, append(s.Zones, z)
				return nil
			})
		},
		"networks": func(v *yaml.Node) error { networks = v; return nil },
		"max-distance-ms": func(v *yaml.Node) (err error) {
			if s.MaxDistanceMs, err = strictyaml.Number(v, "max-distance-ms", maxNumber); err == nil && s.MaxDistanceMs == 0 {
				err = strictyaml.At(v, "max-distance-ms is 0: leave it out where any distance will do")
			}
			return err
		},
		"data-stays": func(v *yaml.Node) (err error) { s.DataStays, err = strictyaml.Boolean(v, "data-stays"); return err },
		"when-full": func(v *yaml.Node) error {
			t, err := strictyaml.Text(v, "when-full")
			if s.WhenFull = signaling.WhenFull(t); err == nil && s.WhenFull != signaling.WhenFullQueue && s.WhenFull != signaling.WhenFullRefuse {
				err = strictyaml.At(v, "when-full %.40q: queue or refuse", t)
			}
			return err
		},
		"shadows": func(v *yaml.Node) error {
			on, err := strictyaml.Boolean(v, "shadows")
			s.NoShadows = !on
			return err
		},
		"predict-by-creator": func(v *yaml.Node) error {
			on, err := strictyaml.Boolean(v, "predict-by-creator")
			s.NoCreators = !on
			return err
		},
	})
	switch {
	case err != nil:
		return err
	case s.Name == "":
		return strictyaml.At(n, "a site needs a name")
	case len(s.Zones) == 0:
		return strictyaml.At(n, "site %s needs zones: a list with at least one name", s.Name)
	}
	if networks != nil {
		if err := strictyaml.List(networks, "networks", maxNetworks, func(v *yaml.Node) error { return p.network(v, &s, index) }); err != nil {
			return err
		}
	}
	p.config.Sites = append(p.config.Sites, s)
	return nil
}

// network reads a prefix, or a prefix with the zone that its terminals stand in.
func (p *parser) network(n *yaml.Node, s *Site, index int) (err error) {
	to := place{index, s.Zones[0]}
	var net netip.Prefix
	if n.Kind == yaml.MappingNode {
		err = strictyaml.Fields(n, "a network", map[string]strictyaml.Reader{
			"prefix": func(v *yaml.Node) (err error) { net, err = prefix(v); return err },
			"zone": func(v *yaml.Node) (err error) {
				if to.zone, err = name(v, "zone"); err == nil && !slices.Contains(s.Zones, to.zone) {
					err = strictyaml.At(v, "zone %s is none of site %s", to.zone, s.Name)
				}
				return err
			},
		})
		if err == nil && !net.IsValid() {
			err = strictyaml.At(n, "a network needs a prefix")
		}
	} else {
		net, err = prefix(n)
	}
	if err != nil {
		return err
	}
	if _, taken := p.config.networks[net]; taken {
		return strictyaml.At(n, "network %s appears twice", net)
	}
	p.config.networks[net] = to
	s.Networks = append(s.Networks, net)
	return nil
}

func (p *parser) distances(n *yaml.Node) error {
	return strictyaml.Fields(n, "distances", map[string]strictyaml.Reader{
		"between": func(v *yaml.Node) error { return strictyaml.List(v, "between", maxDistances, p.between) },
		"elsewhere-ms": func(v *yaml.Node) (err error) {
			if p.config.ElsewhereMs, err = strictyaml.Number(v, "elsewhere-ms", maxNumber); err == nil && p.config.ElsewhereMs == 0 {
				err = strictyaml.At(v, "elsewhere-ms is 0: leave it out where it is not known")
			}
			return err
		},
		"cloud": func(v *yaml.Node) error {
			p.config.CloudMs = make(map[string]float64, len(v.Content)/2)
			return strictyaml.Each(v, "cloud", func(k, v *yaml.Node) error {
				if err := p.known(k, k.Value); err != nil {
					return err
				}
				ms, err := strictyaml.Number(v, "the distance from "+k.Value+" to the cloud", maxNumber)
				p.config.CloudMs[k.Value] = ms
				return err
			})
		},
	})
}

func (p *parser) between(n *yaml.Node) error {
	var zones []string
	var ms *float64
	err := strictyaml.Fields(n, "a distance", map[string]strictyaml.Reader{
		"zones": func(v *yaml.Node) error {
			return strictyaml.List(v, "zones", 2, func(v *yaml.Node) error {
				z, err := name(v, "zone")
				if err == nil {
					err = p.known(v, z)
				}
				zones = append(zones, z)
				return err
			})
		},
		"ms": func(v *yaml.Node) error {
			d, err := strictyaml.Number(v, "ms", maxNumber)
			ms = &d
			return err
		},
	})
	switch {
	case err != nil:
		return err
	case len(zones) != 2 || ms == nil:
		return strictyaml.At(n, "a distance has two zones and ms")
	case zones[0] == zones[1]:
		return strictyaml.At(n, "zone %s is no distance from itself", zones[0])
	}
	slices.Sort(zones)
	pair := [2]string{zones[0], zones[1]}
	if p.pairs[pair] {
		return strictyaml.At(n, "the distance between %s and %s appears twice", pair[0], pair[1])
	}
	p.pairs[pair] = true
	p.config.Distances = append(p.config.Distances, placement.ZoneDistance{A: pair[0], B: pair[1], Ms: *ms})
	return nil
}

func (p *parser) nodes(n *yaml.Node) error {
	if len(n.Content)/2 > maxNodes {
		return strictyaml.At(n, "nodes has %d entries: at most %d", len(n.Content)/2, maxNodes)
	}
	p.config.Nodes = make(map[signaling.NodeID]signaling.Override, len(n.Content)/2)
	p.config.Schedules = map[signaling.NodeID]signaling.Schedule{}
	return strictyaml.Each(n, "nodes", func(k, v *yaml.Node) error {
		if !signaling.ValidName(k.Value) {
			return strictyaml.At(k, "node %.70q: letters, digits, '.', '-' and '_', at most 63", k.Value)
		}
		o, when, err := p.override(v)
		if err != nil {
			return err
		}
		if when != nil {
			p.config.Schedules[signaling.NodeID(k.Value)] = *when
		}
		if err := o.Validate(); err != nil {
			return strictyaml.At(v, "node %s: %w", k.Value, err)
		}
		p.config.Nodes[signaling.NodeID(k.Value)] = o
		return nil
	})
}

// override reads what is said of a node, and when it is open, where that is said.
func (p *parser) override(n *yaml.Node) (o signaling.Override, when *signaling.Schedule, err error) {
	err = strictyaml.Fields(n, "a node", map[string]strictyaml.Reader{
		"types": func(v *yaml.Node) error {
			if len(v.Content) == 0 {
				return strictyaml.At(v, "types is a list with at least one of %v", signaling.TaskTypes)
			}
			return strictyaml.List(v, "types", len(signaling.TaskTypes), func(v *yaml.Node) error {
				t, err := strictyaml.Text(v, "type")
				if err != nil {
					return err
				}
				if !signaling.TaskType(t).Valid() || slices.Contains(o.Types, signaling.TaskType(t)) {
					return strictyaml.At(v, "type %.40q: each of %v at most once", t, signaling.TaskTypes)
				}
				o.Types = append(o.Types, signaling.TaskType(t))
				return nil
			})
		},
		"zone": func(v *yaml.Node) error {
			z, err := name(v, "zone")
			if err == nil {
				err = p.known(v, z)
			}
			o.Zone = &z
			return err
		},
		"distance-ms": func(v *yaml.Node) error {
			d, err := strictyaml.Number(v, "distance-ms", maxNumber)
			o.DistanceMs = &d
			return err
		},
		"capacity": func(v *yaml.Node) error {
			o.Capacity = &signaling.Resources{}
			return amounts(v, "capacity", o.Capacity)
		},
		"schedule": func(v *yaml.Node) (err error) { when, err = schedule(v); return err },
	})
	return o, when, err
}

func amounts(n *yaml.Node, what string, r *signaling.Resources) error {
	amount := func(name string, to *int64) strictyaml.Reader {
		return func(v *yaml.Node) (err error) { *to, err = strictyaml.Whole(v, name, 1<<31); return err }
	}
	return strictyaml.Fields(n, what, map[string]strictyaml.Reader{
		"gpu-memory-mb": amount("gpu-memory-mb", &r.GPUMemoryMB), "gpu-milli": amount("gpu-milli", &r.GPUMilli),
		"encoder-sessions": amount("encoder-sessions", &r.EncoderSessions), "cpu-milli": amount("cpu-milli", &r.CPUMilli),
		"memory-mb": amount("memory-mb", &r.MemoryMB),
	})
}

func (p *parser) buffer(n *yaml.Node) error {
	b := &p.config.Buffer
	return strictyaml.Fields(n, "buffer", map[string]strictyaml.Reader{
		"min":   func(v *yaml.Node) error { m, err := strictyaml.Whole(v, "min", maxBuffer); b.Min = int(m); return err },
		"share": func(v *yaml.Node) (err error) { b.Share, err = strictyaml.Number(v, "share", maxShare); return err },
	})
}

// ByDistance is the policy that takes the nearest node with room.
const ByDistance = "distance"

// spread is the policy that takes the emptiest node.
const spread = "spread"

func (p *parser) policy(n *yaml.Node) error {
	t, err := strictyaml.Text(n, "policy")
	if err != nil {
		return err
	}
	names := []string{ByDistance}
	for _, known := range fit.Policies() {
		if !known.Baseline {
			names = append(names, known.Name)
		}
	}
	if !slices.Contains(names, t) {
		return strictyaml.At(n, "policy %.40q: one of %s", t, strings.Join(names, ", "))
	}
	p.config.Policy = t
	return nil
}

// known refuses a zone that no site has.
func (p *parser) known(n *yaml.Node, zone string) error {
	if _, ok := p.config.zones[zone]; !ok {
		return strictyaml.At(n, "zone %.70q is of no site: name it in one", zone)
	}
	return nil
}

func name(n *yaml.Node, what string) (string, error) {
	s, err := strictyaml.Text(n, what)
	if err == nil && !signaling.ValidName(s) {
		err = strictyaml.At(n, "%s %.70q: letters, digits, '.', '-' and '_', at most 63", what, s)
	}
	return s, err
}

// prefix reads a network's prefix. One with bits beyond its length is refused: it is mistaken for an address.
func prefix(n *yaml.Node) (netip.Prefix, error) {
	s, err := strictyaml.Text(n, "network")
	if err != nil {
		return netip.Prefix{}, err
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, strictyaml.At(n, "network %.60q: a prefix like 10.1.2.0/24", s)
	}
	if p.Addr().Is4In6() {
		return netip.Prefix{}, strictyaml.At(n, "network %.60q: write an IPv4 prefix like 10.1.2.0/24", s)
	}
	if p != p.Masked() {
		return netip.Prefix{}, strictyaml.At(n, "network %s has bits behind its length: is %s meant?", s, p.Masked())
	}
	return p, nil
}
