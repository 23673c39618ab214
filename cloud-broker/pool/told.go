package pool

import (
	"context"
	"fmt"
	"time"
)

const (
	// MaxReports is how many reports of what has ended are kept of each kind.
	MaxReports = 200
	// MaxUnderWay bounds what a broker tells of what it has under way, bytes, and MaxReport one report.
	MaxUnderWay = 1 << 20
	MaxReport   = 4 << 10
)

var (
	tellScript = script("common", "tell")
	toldScript = script("common", "told")
)

// Tell has operators see at all brokers what this one does: underWay is what broker has under way of something, like moves, in
// place of what it told before; empty for nothing. It counts for so long by Redis' clock, and so goes with a broker that
// dies. The reports, in the order of their ends, join the last MaxReports of all brokers.
func (p *Pool) Tell(ctx context.Context, about, broker string, underWay []byte, reports [][]byte, counts time.Duration) error {
	err := checkName("kind", about)
	if err == nil {
		err = checkName("broker", broker)
	}
	switch {
	case err != nil:
	case len(underWay) > MaxUnderWay:
		err = fmt.Errorf("%d bytes are under way: at most %d", len(underWay), MaxUnderWay)
	case counts < time.Millisecond:
		err = fmt.Errorf("it counts for %s: at least 1ms", counts)
	case len(reports) > MaxReports:
		err = fmt.Errorf("%d reports: at most %d", len(reports), MaxReports)
	}
	args := append(make([]any, 0, 5+len(reports)), about, broker, underWay, counts.Milliseconds(), MaxReports)
	for i, r := range reports {
		if err == nil && len(r) > MaxReport {
			err = fmt.Errorf("reports[%d] has %d bytes: at most %d", i, len(r), MaxReport)
		}
		args = append(args, r)
	}
	if err == nil {
		err = p.run(ctx, tellScript, args...).Err()
	}
	if err != nil {
		return fmt.Errorf("tell other brokers of %.40q: %w", about, err)
	}
	return nil
}

// Told is what brokers have told of something: what each has under way, and the reports, the one told last first.
func (p *Pool) Told(ctx context.Context, about string) (underWay map[string]string, reports []string, err error) {
	err = checkName("kind", about)
	var parts []any
	if err == nil {
		parts, err = p.run(ctx, toldScript, about).Slice()
	}
	if err == nil && len(parts) != 2 {
		err = fmt.Errorf("a script answered %d parts where 2 belong", len(parts))
	}
	var told []string
	if err == nil {
		told, err = texts(parts[0])
	}
	if err == nil {
		reports, err = texts(parts[1])
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read what brokers tell of %.40q: %w", about, err)
	}
	underWay = make(map[string]string, len(told)/2)
	for i := 0; i+1 < len(told); i += 2 {
		underWay[told[i]] = told[i+1]
	}
	return underWay, reports, nil
}
