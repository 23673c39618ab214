package sites

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/capacity"
	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/signaling"
)

func TestTheExampleIsValid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sites.yaml")
	if err := os.WriteFile(file, []byte(Example), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	zone, distance := "north-scan", 1.5
	want := Config{
		Sites: []Site{
			{Name: "north", Zones: []string{"north-ward", "north-scan"}, MaxDistanceMs: 15, DataStays: true, WhenFull: signaling.WhenFullQueue, NoShadows: true,
				Networks: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/48"), netip.MustParsePrefix("10.1.8.0/24")}},
			{Name: "practice", Zones: []string{"practice"}, Networks: []netip.Prefix{netip.MustParsePrefix("192.168.17.0/24")}},
		},
		Distances: []placement.ZoneDistance{{A: "north-scan", B: "north-ward", Ms: 0.8}, {A: "north-ward", B: "practice", Ms: 6}},
		CloudMs:   map[string]float64{"practice": 24, "north-ward": 35}, ElsewhereMs: 30,
		Nodes: map[signaling.NodeID]signaling.Override{"edge-7": {Types: []signaling.TaskType{signaling.Rendering, signaling.ImageProcessing}, Zone: &zone,
			DistanceMs: &distance, Capacity: &signaling.Resources{GPUMemoryMB: 16384, GPUMilli: 1000, EncoderSessions: 4, CPUMilli: 8000, MemoryMB: 32768}}},
		Buffer: Buffer{Min: 2, Share: 0.2},
	}
	got := *c
	got.table, got.zones, got.networks, got.lengths = nil, nil, nil, [2][]int{}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	for _, d := range []struct {
		a, b string
		ms   float64
	}{{"practice", "north-ward", 6}, {"north-ward", "north-scan", 0.8}, {"practice", "north-scan", 30}, {"practice", "practice", 0}} {
		if ms, ok := c.Table().Between(d.a, d.b); !ok || ms != d.ms {
			t.Errorf("from %s to %s %g ms, known %v, want %g", d.a, d.b, ms, ok, d.ms)
		}
	}
	if ms, ok := c.Table().Cloud("practice"); !ok || ms != 24 {
		t.Errorf("the cloud is %g ms away, known %v", ms, ok)
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none.yaml")); err == nil {
		t.Error("a file that is not there is read")
	}
}

// TestA3TerminalsAreFoundByAddress: the most specific prefix counts, and a zone that the terminal names before it.
func TestA3TerminalsAreFoundByAddress(t *testing.T) {
	c, err := Parse([]byte(Example))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []struct{ zone, address, site, want string }{
		{"", "10.1.2.3", "north", "north-ward"},
		{"", "10.1.8.3", "north", "north-scan"},
		{"", "::ffff:10.1.8.3", "north", "north-scan"},
		{"", "fd00:1:0:9::1", "north", "north-ward"},
		{"", "192.168.17.255", "practice", "practice"},
		{"", "192.168.18.1", "", ""},
		{"", "", "", ""},
		{"practice", "10.1.2.3", "practice", "practice"},
		{"north-scan", "", "north", "north-scan"},
		{"moon", "10.1.2.3", "north", "north-ward"},
		{"moon", "8.8.8.8", "", "moon"},
	} {
		var a netip.Addr
		if at.address != "" {
			a = netip.MustParseAddr(at.address)
		}
		site, zone := c.Locate(at.zone, a)
		name := ""
		if site != nil {
			name = site.Name
		}
		if name != at.site || zone != at.want {
			t.Errorf("zone %q at %s: site %q zone %q, want %q and %q", at.zone, at.address, name, zone, at.site, at.want)
		}
	}
	if s := c.SiteOf("north-scan"); s == nil || s.Name != "north" || len(s.Within()) != 2 {
		t.Errorf("%+v", s)
	}
	if s := c.SiteOf("practice"); s.Within() != nil {
		t.Errorf("the data of %s stays within %v", s.Name, s.Within())
	}
}

// TestA7ASiteSetsALimit, and what else its terminals' requests are held to.
func TestA7ASiteSetsALimit(t *testing.T) {
	c, err := Parse([]byte("sites:\n  - {name: a, zones: [a], max-distance-ms: 12.5}\n  - {name: b, zones: [b], when-full: refuse, shadows: on}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := c.SiteOf("a"), c.SiteOf("b"); a.MaxDistanceMs != 12.5 || a.WhenFull != "" || b.MaxDistanceMs != 0 || b.WhenFull != signaling.WhenFullRefuse || b.NoShadows {
		t.Errorf("%+v, %+v", a, b)
	}
}

// TestA10FitIsSetByHand: what the file has of a node stands in place of what the node says.
func TestA10FitIsSetByHand(t *testing.T) {
	c, err := Parse([]byte(Example))
	if err != nil {
		t.Fatal(err)
	}
	own := signaling.Node{ID: "edge-7", Types: signaling.TaskTypes, DistanceMs: 9,
		Capacity: signaling.Resources{GPUMemoryMB: 1 << 20, GPUMilli: 4000, EncoderSessions: 2, CPUMilli: 64_000, MemoryMB: 1 << 20}}
	o := c.Nodes["edge-7"]
	n := o.Apply(own)
	if len(n.Types) != 2 || n.Zone != "north-scan" || n.DistanceMs != 1.5 ||
		n.Capacity != (signaling.Resources{GPUMemoryMB: 16384, GPUMilli: 1000, EncoderSessions: 2, CPUMilli: 8000, MemoryMB: 32768}) {
		t.Errorf("%+v", n)
	}
}

func TestNoConfigurationKnowsNothing(t *testing.T) {
	var c *Config
	if s, z := c.Locate("a", netip.MustParseAddr("10.0.0.1")); s != nil || z != "a" {
		t.Errorf("%+v, %q", s, z)
	}
	var none *Site
	if c.SiteOf("a") != nil || c.Table() != nil || none.Within() != nil {
		t.Error("it knows something")
	}
	c, err := Parse([]byte("sites: []\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Buffer != capacity.Default || c.Table() != nil || c.SiteOf("") != nil {
		t.Errorf("%+v", c)
	}
	c, err = Parse([]byte("buffer: {share: 0.5}"))
	if err != nil || c.Buffer != (Buffer{Min: capacity.Default.Min, Share: 0.5}) {
		t.Errorf("%+v, %v", c, err)
	}
}

// The order of the parts does not matter.
func TestZonesMayBeNamedBeforeTheirSites(t *testing.T) {
	if _, err := Parse([]byte("distances: {cloud: {a: 3}}\nsites:\n  - {zones: [a], networks: [10.0.0.0/8], name: s}\n")); err != nil {
		t.Error(err)
	}
}

func TestConfigurationsThatCannotBe(t *testing.T) {
	site := "sites:\n  - name: a\n    zones: [a1, a2]\n"
	for name, c := range map[string]struct{ text, want string }{
		"empty":                    {"", "line 1: the file is empty"},
		"no YAML":                  {"sites:\n  - name: [", "line 2"},
		"two documents":            {site + "---\n" + site, "more than one document"},
		"a list":                   {"- a\n", "line 1: the file is a group"},
		"other field":              {site + "places: 1\n", `line 4: unknown field "places" in the file`},
		"a part twice":             {site + "sites: []\n", `line 4: "sites" appears twice`},
		"sites no list":            {"sites: a\n", "line 1: sites is a list"},
		"a text as site":           {"sites:\n  - a\n", "line 2: a site is a group"},
		"unknown field of a site":  {site + "    zone: b\n", `line 4: unknown field "zone" in a site`},
		"a field twice":            {site + "    name: b\n", `line 4: "name" appears twice`},
		"no name":                  {"sites:\n  - zones: [a]\n", "line 2: a site needs a name"},
		"bad name":                 {"sites:\n  - name: a b\n", `line 2: name "a b"`},
		"same name":                {site + "  - {name: a, zones: [b]}\n", "line 4: there is a site named a already"},
		"no zones":                 {"sites:\n  - name: a\n", "line 2: site a needs zones"},
		"empty zones":              {"sites:\n  - {name: a, zones: []}\n", "line 2: site a needs zones"},
		"bad zone":                 {"sites:\n  - {name: a, zones: [a, '']}\n", "line 2: zone needs one value"},
		"a zone of two sites":      {site + "  - {name: b, zones: [a2]}\n", "line 4: zone a2 appears twice"},
		"no prefix":                {site + "    networks: [10.1.2.3]\n", `line 4: network "10.1.2.3": a prefix`},
		"bits behind the prefix":   {site + "    networks: [10.1.2.3/8]\n", "line 4: network 10.1.2.3/8 has bits behind its length: is 10.0.0.0/8 meant"},
		"a mapped prefix":          {site + "    networks: ['::ffff:10.0.0.0/104']\n", "line 4: network"},
		"a network twice":          {site + "    networks: [10.0.0.0/8]\n  - {name: b, zones: [b], networks: [10.0.0.0/8]}\n", "line 5: network 10.0.0.0/8 appears twice"},
		"a network's zone":         {site + "    networks: [{prefix: 10.0.0.0/8, zone: b}]\n", "line 4: zone b is none of site a"},
		"a network without prefix": {site + "    networks: [{zone: a1}]\n", "line 4: a network needs a prefix"},
		"negative limit":           {site + "    max-distance-ms: -1\n", `line 4: max-distance-ms "-1"`},
		"no limit":                 {site + "    max-distance-ms: 0\n", "line 4: max-distance-ms is 0"},
		"a limit in words":         {site + "    max-distance-ms: near\n", "line 4: max-distance-ms"},
		"a limit that is none":     {site + "    max-distance-ms: .nan\n", "line 4: max-distance-ms"},
		"data stays how":           {site + "    data-stays: mostly\n", "line 4: data-stays"},
		"when full":                {site + "    when-full: wait\n", `line 4: when-full "wait": queue or refuse`},
		"shadows":                  {site + "    shadows: 2\n", "line 4: shadows"},
		"no value":                 {site + "    shadows:\n", "line 4: shadows needs one value"},
		"unknown zone":             {site + "distances:\n  between:\n    - {zones: [a1, b], ms: 2}\n", `line 6: zone "b" is of no site`},
		"one zone":                 {site + "distances:\n  between:\n    - {zones: [a1], ms: 2}\n", "line 6: a distance has two zones and ms"},
		"three zones":              {site + "distances:\n  between:\n    - {zones: [a1, a2, a1], ms: 2}\n", "line 6: zones has 3 entries"},
		"no distance":              {site + "distances:\n  between:\n    - {zones: [a1, a2]}\n", "line 6: a distance has two zones and ms"},
		"a zone from itself":       {site + "distances:\n  between:\n    - {zones: [a1, a1], ms: 2}\n", "line 6: zone a1 is no distance from itself"},
		"negative distance":        {site + "distances:\n  between:\n    - {zones: [a1, a2], ms: -2}\n", "line 6: ms"},
		"huge distance":            {site + "distances:\n  between:\n    - {zones: [a1, a2], ms: 1e9}\n", "line 6: ms"},
		"a pair twice":             {site + "distances:\n  between:\n    - {zones: [a1, a2], ms: 2}\n    - {zones: [a2, a1], ms: 2}\n", "line 7: the distance between a1 and a2 appears twice"},
		"elsewhere":                {site + "distances: {elsewhere-ms: 0}\n", "line 4: elsewhere-ms is 0"},
		"unknown zone's cloud":     {site + "distances: {cloud: {c: 5}}\n", `line 4: zone "c" is of no site`},
		"a zone's cloud twice":     {site + "distances: {cloud: {a1: 5, a1: 6}}\n", `line 4: "a1" appears twice`},
		"the cloud as a list":      {site + "distances: {cloud: [5]}\n", "line 4: cloud is a group"},
		"a node's name":            {"nodes:\n  a b: {distance-ms: 1}\n", `line 2: node "a b"`},
		"a node's field":           {"nodes:\n  a: {distance: 1}\n", `line 2: unknown field "distance" in a node`},
		"a node's zone":            {"nodes:\n  a: {zone: b}\n", `line 2: zone "b" is of no site`},
		"a node's type":            {"nodes:\n  a: {types: [cooking]}\n", `line 2: type "cooking"`},
		"a node's type twice":      {"nodes:\n  a: {types: [rendering, rendering]}\n", "line 2: type"},
		"a node's types":           {"nodes:\n  a: {types: []}\n", "line 2: types is a list"},
		"a node's amounts":         {"nodes:\n  a: {capacity: {cpu-milli: -1}}\n", "line 2: cpu-milli"},
		"half an amount":           {"nodes:\n  a: {capacity: {cpu-milli: 1.5}}\n", "line 2: cpu-milli"},
		"unknown amount":           {"nodes:\n  a: {capacity: {cores: 1}}\n", `line 2: unknown field "cores" in capacity`},
		"no capacity":              {"nodes:\n  a: {capacity: {}}\n", "line 2: node a: capacity is empty"},
		"nodes no group":           {"nodes: [a]\n", "line 1: nodes is a group"},
		"negative buffer":          {"buffer: {min: -1}\n", "line 1: min"},
		"a buffer's share":         {"buffer: {share: 200}\n", "line 1: share"},
		"alias":                    {"sites:\n  - &x {name: a, zones: [a]}\n  - *x\n", "line 3: a site is a group"},
		"a key that is no word":    {"sites:\n  - {[a]: b}\n", "line 2: a field's name"},
		"too long":                 {"#" + strings.Repeat("x", maxConfig), "longer than"},
		"too many":                 {"sites:\n" + strings.Repeat("  - {}\n", maxSites+1), "at most 1024"},
		"deeply nested":            {"sites: " + strings.Repeat("[", 20_000), "line 1"},
	} {
		_, err := Parse([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 400 {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(Example))
	f.Add([]byte("sites:\n  - &x {name: a, zones: [a]}\n  - *x\n"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "line ") {
				t.Errorf("no line in %v", err)
			}
			return
		}
		for id, o := range c.Nodes {
			if err := o.Validate(); err != nil || !signaling.ValidName(string(id)) {
				t.Errorf("node %s: %v", id, err)
			}
		}
		for i := range c.Sites {
			s := &c.Sites[i]
			for _, p := range s.Networks {
				if at, zone := c.Locate("", p.Addr()); at == nil || zone == "" {
					t.Errorf("nobody is at %v", p.Addr())
				}
			}
			for _, z := range s.Zones {
				if c.SiteOf(z) != s {
					t.Errorf("zone %s is not of site %s", z, s.Name)
				}
			}
		}
	})
}
