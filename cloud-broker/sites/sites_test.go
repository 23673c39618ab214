package sites

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/capacity"
	"github.com/tomocast/tomocast/cloud-broker/defrag"
	"github.com/tomocast/tomocast/cloud-broker/defrag/migrator"
	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/scale"
	"github.com/tomocast/tomocast/cloud-broker/scale/manager"
	"github.com/tomocast/tomocast/cloud-broker/scale/monitor"
	"github.com/tomocast/tomocast/cloud-broker/scale/scaler"
	"github.com/tomocast/tomocast/cloud-broker/scale/scheduler"
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
			{Name: "north", Zones: []string{"north-ward", "north-scan"}, MaxDistanceMs: 15, DataStays: true, WhenFull: signaling.WhenFullQueue, NoShadows: true, NoCreators: true,
				Networks: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/48"), netip.MustParsePrefix("10.1.8.0/24")}},
			{Name: "practice", Zones: []string{"practice"}, Networks: []netip.Prefix{netip.MustParsePrefix("192.168.17.0/24")}},
		},
		Distances: []placement.ZoneDistance{{A: "north-scan", B: "north-ward", Ms: 0.8}, {A: "north-ward", B: "practice", Ms: 6}},
		CloudMs:   map[string]float64{"practice": 24, "north-ward": 35}, ElsewhereMs: 30,
		Nodes: map[signaling.NodeID]signaling.Override{"edge-7": {Types: []signaling.TaskType{signaling.Rendering, signaling.ImageProcessing}, Zone: &zone,
			DistanceMs: &distance, Capacity: &signaling.Resources{GPUMemoryMB: 16384, GPUMilli: 1000, EncoderSessions: 4, CPUMilli: 8000, MemoryMB: 32768}}},
		Buffer: Buffer{Min: 2, Share: 0.2}, Policy: "risk", Scaling: DefaultScaling(), Defragment: DefaultDefragment(), Closing: DefaultClosing,
		Quotas: Quotas{Each: signaling.Resources{GPUMilli: 2000, EncoderSessions: 4}, Of: map[string]signaling.Resources{
			"research": {GPUMilli: 8000, CPUMilli: 64000}}},
		Schedules: map[signaling.NodeID]signaling.Schedule{"edge-7": exampleSchedule()},
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
		"a policy":                 {"policy: nearest\n", `line 1: policy "nearest": one of distance, fragments, risk, packed, patent, spread`},
		"a baseline as a policy":   {"policy: random\n", "line 1: policy"},
		"creators":                 {site + "    predict-by-creator: some\n", "line 4: predict-by-creator"},
		"a quota of nothing":       {"quotas: {each: {gpu-milli: 0}}\n", "line 1: gpu-milli is 0: leave it out"},
		"a quota's kind":           {"quotas:\n  of:\n    a: {gpus: 1}\n", `line 3: unknown field "gpus" in the quota of a`},
		"a quota twice":            {"quotas:\n  of:\n    a: {gpu-milli: 1}\n    a: {gpu-milli: 1}\n", `line 4: "a" appears twice`},
		"a quota of nobody":        {"quotas:\n  of:\n    '': {gpu-milli: 1}\n", "line 3: user"},
		"scaling how":              {"scaling: seldom\n", "line 1: scaling"},
		"a scaling field":          {"scaling:\n  sessions: {r1: 0.5}\n", `line 2: unknown field "r1" in sessions`},
		"r1 above r2":              {"scaling:\n  sessions:\n    shrink-below: 0.9\n    expand-above: 0.5\n", "line 3: scaling: shrink-below (r1) is 0.9: it must be below expand-above (r2), 0.5 (in sessions)"},
		"r1 as r2":                 {"scaling:\n  tasks: {shrink-below: 0.9}\n", "line 2: scaling: shrink-below (r1) is 0.9: it must be below expand-above (r2), 0.9 (in tasks)"},
		"r1 of 1":                  {"scaling:\n  tasks: {shrink-below: 1}\n", "line 2: scaling: shrink-below (r1) is 1"},
		"r2 above 1":               {"scaling:\n  tasks: {expand-above: 1.1}\n", "line 2: expand-above"},
		"W-b before W-a":           {"scaling:\n  tasks: {shrink-wait: 2h, shrink-give-up: 1h}\n", "line 2: scaling: shrink-give-up (W-b) is 1h0m0s: it must be longer than shrink-wait (W-a), 2h0m0s (in tasks)"},
		"W-d as W-c":               {"scaling:\n  tasks: {expand-wait: 1m, expand-give-up: 1m}\n", "line 2: scaling: expand-give-up (W-d) is 1m0s: it must be longer than expand-wait (W-c), 1m0s"},
		"W1 of nothing":            {"scaling:\n  tasks: {window: 0s}\n", "line 2: scaling: window (W1)"},
		"a rule":                   {"scaling:\n  tasks: {shrink-by: half}\n", `line 2: scaling: shrink-by "half"`},
		"a time that is none":      {"scaling:\n  tasks: {window: 5}\n", `line 2: window "5": a time like`},
		"a time too long":          {"scaling:\n  tasks: {window: 9999h}\n", "line 2: window"},
		"a kind":                   {"scaling:\n  tasks: {kinds: [gpu-memory-mb]}\n", `line 2: kind "gpu-memory-mb"`},
		"no kinds":                 {"scaling:\n  tasks: {kinds: []}\n", "line 2: kinds is empty"},
		"defragment how":           {"defragment: 3\n", "line 1: defragment"},
		"W-g before W-f":           {"defragment: {room-wait: 2h, room-give-up: 1h}\n", "line 1: defragmentation: room-give-up (W-g) is 1h0m0s: it must be longer than room-wait (W-f), 2h0m0s"},
		"W-e of nothing":           {"defragment: {hold: 0s}\n", "line 1: defragmentation: hold (W-e) is 0s"},
		"W2 of nothing":            {"defragment: {window: 0s}\n", "line 1: defragmentation: window (W2)"},
		"no threshold":             {"defragment: {threshold: {}}\n", "line 1: defragmentation: no threshold"},
		"a threshold's kind":       {"defragment: {threshold: {gpus: 1}}\n", `line 1: unknown field "gpus" in threshold`},
		"no moves":                 {"defragment: {at-once: 0}\n", "line 1: defragmentation: at-once is 0"},
		"a threshold above preset": {"defragment: {threshold: {gpu-milli: 600}}\n", "line 1: defragmentation: threshold of gpuMilli is 600 and preset 499"},
		"a period of nothing":      {"nodes:\n  a: {schedule: {horizon: 1h, period: 0s}}\n", "line 2: period is 0s: at least 1s"},
		"before closing":           {"move-before-closing: 25h\n", "line 1: move-before-closing"},
		"a schedule's field":       {"nodes:\n  a: {schedule: {daily: 1}}\n", `line 2: unknown field "daily" in a schedule`},
		"a time zone":              {"nodes:\n  a: {schedule: {time-zone: Mars/Base}}\n", `line 2: time-zone "Mars/Base" is unknown`},
		"this machine's time zone": {"nodes:\n  a: {schedule: {time-zone: Local}}\n", `line 2: time-zone "Local" is unknown`},
		"a day":                    {"nodes:\n  a:\n    schedule:\n      hours:\n        - {days: [someday], from: 07:00, to: 08:00}\n", `line 5: hours[0]: day "someday"`},
		"a time of day":            {"nodes:\n  a: {schedule: {hours: [{days: [mon], from: 7, to: 08:00}]}}\n", `line 2: hours[0]: from "7": a time of day`},
		"hours that end first":     {"nodes:\n  a: {schedule: {hours: [{days: [mon], from: 22:00, to: 06:00}]}}\n", "line 2: hours[0]: from 22:00 to 06:00: they end before they begin"},
		"hours that overlap": {"nodes:\n  a:\n    schedule:\n      hours:\n        - {days: [mon], from: 07:00, to: 08:00}\n        - {days: [sun, mon], from: 07:59, to: 09:00}\n",
			"line 6: hours[1] overlap hours[0] on Monday"},
		"a window that ends first": {"nodes:\n  a:\n    schedule:\n      closed:\n        - {from: 2026-12-24T10:00, to: 2026-12-24T09:00}\n", "line 5: closed[0] from 2026-12-24T10:00:00Z to 2026-12-24T09:00:00Z: it ends before it begins"},
		"windows that overlap": {"nodes:\n  a:\n    schedule:\n      open:\n        - {from: 2026-12-24T10:00, to: 2026-12-25T09:00}\n        - {from: 2026-12-25T08:00, to: 2026-12-26T09:00}\n",
			"line 6: open[1]"},
		"half a window":         {"nodes:\n  a: {schedule: {open: [{from: 2026-12-24T10:00}]}}\n", "line 2: open[0]: from and to are needed"},
		"a date that is none":   {"nodes:\n  a: {schedule: {expires: 2026-13-01T00:00}}\n", `line 2: expires "2026-13-01T00:00": a time like`},
		"a period of no time":   {"nodes:\n  a: {schedule: {period: 24h}}\n", "line 2: periodS is 86400 without horizonS"},
		"a period of more time": {"nodes:\n  a: {schedule: {period: 24h, horizon: 1h}}\n", "line 2: periodS is 86400 and horizonS 3600"},
		"alias":                 {"sites:\n  - &x {name: a, zones: [a]}\n  - *x\n", "line 3: a site is a group"},
		"a key that is no word": {"sites:\n  - {[a]: b}\n", "line 2: a field's name"},
		"too long":              {"#" + strings.Repeat("x", maxConfig), "longer than"},
		"too many":              {"sites:\n" + strings.Repeat("  - {}\n", maxSites+1), "at most 1024"},
		"deeply nested":         {"sites: " + strings.Repeat("[", 20_000), "line 1"},
	} {
		_, err := Parse([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 400 {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// exampleSchedule is that of the example.
func exampleSchedule() signaling.Schedule {
	at := func(s string) time.Time {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			panic(err)
		}
		return t.UTC()
	}
	expires := at("2027-03-31T23:59:00+02:00")
	return signaling.Schedule{
		TimeZone: "Europe/Berlin", Expires: &expires, HorizonS: 7 * 24 * 3600, PeriodS: 24 * 3600,
		Hours: []signaling.OpenHours{{Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: "07:30", To: "19:00"}, {Days: []string{"sat"}, From: "08:00", To: "13:00"}},
		// By the clock on the wall of Berlin, which is an hour ahead in winter.
		Open:   []signaling.TimeSpan{{From: at("2026-12-05T17:00:00Z"), To: at("2026-12-06T05:00:00Z")}},
		Closed: []signaling.TimeSpan{{From: at("2026-12-23T23:00:00Z"), To: at("2026-12-26T23:00:00Z")}},
	}
}

// Every field of scaling and defragmentation goes where it belongs.
func TestScalingAndDefragmentationAreConfigured(t *testing.T) {
	c, err := Parse([]byte(`scaling:
  sessions: {window: 1s, mean-of-rates: on, shrink-below: 0.3, expand-above: 0.8, shrink-by: share, shrink-share: 0.25, expand-least: 0.15, expand-most: 0.35,
    settle: 2s, every: 3s, rest-shrink: 4s, rest-expand: 5s, shrink-wait: 6s, shrink-give-up: 7s, expand-wait: 8s, expand-give-up: 9s, ceiling: 3, retry: 10s, kinds: [cpu-milli]}
defragment: {preset: {cpu-milli: 1}, threshold: {memory-mb: 2}, hold: 5s, rest: 4s, settle: 13s, window: 3s, every: 2s, most: 6, room-wait: 7s, room-give-up: 8s,
  elsewhere: off, handover: 9s, retry: 10s, at-once: 11, most-moves: 12}
move-before-closing: 0s
`))
	if err != nil {
		t.Fatal(err)
	}
	want := scale.Config{
		Monitor: monitor.Config{Window: time.Second, Rates: true},
		Scaler: scaler.Config{Shrink: 0.3, Expand: 0.8, Amount: scaler.Share, Share: 0.25, Least: 0.15, Most: 0.35, Settle: 2 * time.Second, Every: 3 * time.Second,
			RestShrink: 4 * time.Second, RestExpand: 5 * time.Second, Kinds: map[nodetime.Kind]scaler.Kind{nodetime.CPU: {Step: 100}}},
		Scheduler: scheduler.Config{Wait: 8 * time.Second, GiveUp: 9 * time.Second, Retry: 10 * time.Second},
		Manager:   manager.Config{Wait: 6 * time.Second, GiveUp: 7 * time.Second},
		Ceiling:   3,
	}
	if got := c.Scaling.ByType()[signaling.Rendering]; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	if got := c.Scaling.ByType()[signaling.Training]; !reflect.DeepEqual(got, scale.Default()) || len(c.Scaling.ByType()) != len(signaling.TaskTypes) {
		t.Errorf("%+v", got)
	}
	moves := Defragment{Config: defrag.Config{Preset: nodetime.Amounts{nodetime.CPU: 1}, Threshold: nodetime.Amounts{nodetime.Memory: 2}, Hold: 5 * time.Second, Settle: 13 * time.Second,
		Rest: 4 * time.Second, Window: 3 * time.Second, Every: 2 * time.Second, Most: 6, Migration: migrator.Config{Wait: 7 * time.Second, GiveUp: 8 * time.Second,
			Handover: 9 * time.Second, Retry: 10 * time.Second, AtOnce: 11, Most: 12}}}
	if !reflect.DeepEqual(c.Defragment, moves) || c.Closing != 0 {
		t.Errorf("%+v\nwant %+v; %v", c.Defragment, moves, c.Closing)
	}
	c, err = Parse([]byte("scaling: off\ndefragment: off\n"))
	if err != nil || !c.Scaling.Off || !c.Defragment.Off || c.Closing != DefaultClosing {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestB1QuotasAreOfUsers(t *testing.T) {
	c, err := Parse([]byte(Example))
	if err != nil {
		t.Fatal(err)
	}
	var none *Config
	if c.Quota("research").GPUMilli != 8000 || c.Quota("research").EncoderSessions != 0 || c.Quota("anyone").GPUMilli != 2000 || !none.Quota("a").IsZero() {
		t.Errorf("%+v", c.Quotas)
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
		for id, s := range c.Schedules {
			if _, err := nodetime.FromContract(s); err != nil {
				t.Errorf("the schedule of node %s: %v", id, err)
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
