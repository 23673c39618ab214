package pool

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// maxExperience bounds for how many pairs of node and type experience is kept; those that were noted longest ago
	// are forgotten.
	maxExperience = 100_000
	// maxPingZones and maxPingNodes bound what is remembered of terminals' pings.
	maxPingZones = 256
	maxPingNodes = 64
)

// Sample is what one ended task has shown of its node (A10). Amounts that are 0 were not measured.
type Sample struct {
	Node       signaling.NodeID
	Type       signaling.TaskType
	Failed     bool
	DataMB     float64 // data that it worked on, MiB
	RunMs      float64 // from start to end
	TransferMs float64 // that the data took to reach the node; 0 where it was there
	GPUMs      float64 // GPU time
}

// Note counts an ended task in its node's experience. Speeds are moving averages (a new value has a fifth of the weight),
// runs and failures are of about the last 64 tasks. Of a failed task only the failure counts.
func (p *Pool) Note(ctx context.Context, s Sample) error {
	err := checkName("node", string(s.Node))
	if err == nil && !s.Type.Valid() {
		err = fmt.Errorf("type %.40q is unknown", string(s.Type))
	}
	for _, v := range []float64{s.DataMB, s.RunMs, s.TransferMs, s.GPUMs} {
		if err == nil && !(v >= 0 && v < 1e15) {
			err = fmt.Errorf("%g is no amount", v)
		}
	}
	if err == nil {
		failed, speed, transfer, gpu := "0", "", "", ""
		if s.Failed {
			failed = "1"
		} else {
			speed, transfer, gpu = rate(s.DataMB, s.RunMs), rate(s.DataMB, s.TransferMs), rate(s.GPUMs, s.RunMs)
		}
		err = p.run(ctx, experienceScript, string(s.Node), string(s.Type), failed, speed, transfer, gpu, maxExperience).Err()
	}
	if err != nil {
		return fmt.Errorf("note experience of node %.70q: %w", string(s.Node), err)
	}
	return nil
}

// rate is amount for a thousand milliseconds, as text, empty where one of them was not measured.
func rate(amount, ms float64) string {
	v := amount / ms * 1000
	if amount == 0 || ms == 0 || math.IsInf(v, 0) {
		return ""
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

// Experience returns what ended tasks have shown of nodes, in no order.
func (p *Pool) Experience(ctx context.Context) ([]placement.Experience, error) {
	var all []placement.Experience
	seen := map[string]bool{} // a scan may give an entry twice
	for cursor := uint64(0); ; {
		page, next, err := p.rdb.HScan(ctx, p.key("experience"), cursor, "", 1000).Result()
		if err != nil {
			return nil, fmt.Errorf("read experience: %w", err)
		}
		for i := 0; i+1 < len(page); i += 2 {
			node, taskType, _ := strings.Cut(page[i], " ")
			f := strings.Fields(page[i+1])
			if len(f) != 5 {
				return nil, fmt.Errorf("read experience of node %s: %.70q: five values", node, page[i+1])
			}
			if seen[page[i]] {
				continue
			}
			seen[page[i]] = true
			all = append(all, placement.Experience{Node: signaling.NodeID(node), Type: signaling.TaskType(taskType),
				Runs: number(f[0]), Failures: number(f[1]), SpeedMBs: measured(f[2]), TransferMBs: measured(f[3]), GPUMilli: measured(f[4])})
		}
		if cursor = next; cursor == 0 {
			return all, nil
		}
	}
}

// measured reads an average; what was never measured ("-") is 0.
func measured(s string) float64 {
	v, _ := strconv.ParseFloat(s, 64) // written by our scripts only
	return v
}

// NotePings remembers round trips that a terminal of a zone has measured, for other terminals there. At most
// signaling.MaxPings are taken. The value that is kept moves slowly, so that one bad or false measurement does little; of
// each zone the 64 nodes that were measured last are kept, of 256 zones.
func (p *Pool) NotePings(ctx context.Context, zone string, pings []signaling.Ping) error {
	err := checkName("zone", zone)
	if err == nil && len(pings) > signaling.MaxPings {
		err = fmt.Errorf("%d pings: at most %d", len(pings), signaling.MaxPings)
	}
	args := []any{zone, maxPingZones, maxPingNodes}
	for i, ping := range pings {
		if err == nil {
			err = checkName("node", string(ping.Node))
		}
		if err == nil && !(ping.Ms >= 0 && ping.Ms <= 60_000) {
			err = fmt.Errorf("pings[%d] is %g ms: 0 to 60000", i, ping.Ms)
		}
		args = append(args, string(ping.Node), strconv.FormatFloat(ping.Ms, 'f', 3, 64))
	}
	if err == nil && len(pings) > 0 {
		err = p.run(ctx, pingsScript, args...).Err()
	}
	if err != nil {
		return fmt.Errorf("remember pings of zone %.70q: %w", zone, err)
	}
	return nil
}

// Pings returns the remembered round trips by zone and node, milliseconds.
func (p *Pool) Pings(ctx context.Context) (map[string]map[signaling.NodeID]float64, error) {
	zones, err := p.rdb.ZRange(ctx, p.key("zones"), 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("list the zones of pings: %w", err)
	}
	all := make(map[string]map[signaling.NodeID]float64, len(zones))
	if len(zones) == 0 {
		return all, nil
	}
	records := make([]*redis.MapStringStringCmd, len(zones))
	if _, err := p.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, zone := range zones {
			records[i] = pipe.HGetAll(ctx, p.key("pings", zone))
		}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read pings: %w", err)
	}
	for i, zone := range zones {
		nodes := make(map[signaling.NodeID]float64, len(records[i].Val()))
		for id, text := range records[i].Val() {
			ms, _, _ := strings.Cut(text, " ")
			nodes[signaling.NodeID(id)] = measured(ms)
		}
		all[zone] = nodes
	}
	return all, nil
}
