package scaling

import (
	"context"
	"math"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/signaling"
)

// An edge encodes as it likes until its processor is short: a session that is given threads and pixels by number while others
// are idle would only lose by it. From then on its sessions have numbers, which are scaled like all else.

// crowded is from which share of a node's cores on its encoders are short.
const crowded = 0.9

// crowd gives sessions that have none numbers of encoder threads and pixels, where the edge's encoders are short: what they use
// now. They are scaled by them from the next heartbeat on.
func (e *edge) crowd(ctx context.Context, b *beat) {
	n, known := e.Nodes.Get(e.node)
	busy := 0.0
	for _, r := range b.rates {
		if r.EncoderThreads != nil {
			busy += *r.EncoderThreads
		}
	}
	if !known || !(busy > crowded*float64(cores(&n))) {
		return
	}
	for id, r := range e.attempts {
		rates := b.rates[id]
		to, fresh := r.has, false
		for k, used := range map[nodetime.Kind]*float64{nodetime.EncoderThreads: rates.EncoderThreads, nodetime.EncoderPixels: rates.EncoderKpps} {
			if _, scaled := r.kinds[k]; scaled && r.has[k] == 0 && used != nil && *used > 0 {
				to[k], fresh = min(max(int64(math.Ceil(*used)), r.floor[k]), mostEncoding[k]), true
			}
		}
		if !fresh {
			continue
		}
		if err := e.tell(ctx, r, to); err != nil {
			e.Log.Debug("encoders are not divided by number", "task", r.task, "node", e.node, "error", err)
			continue
		}
		e.end(r.task, b.at)
	}
}

// mostEncoding is what a budget may have.
var mostEncoding = nodetime.Amounts{nodetime.EncoderThreads: signaling.MaxEncoderThreads, nodetime.EncoderPixels: signaling.MaxEncoderKpps}

// cores are those of a node's processor.
func cores(n *signaling.Node) int64 { return (n.Capacity.CPUMilli + milliOfCore - 1) / milliOfCore }
