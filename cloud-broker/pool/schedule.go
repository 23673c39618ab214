package pool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// maxSchedules bounds how many nodes have a schedule of their own.
	maxSchedules = 16_384
	// maxSchedule bounds a schedule as JSON.
	maxSchedule = 128 << 10
)

var scheduleScript = script("common", "schedule")

// SetSchedule keeps when an operator has a node open (B3), in place of what the configuration says; nil takes it back. The
// node need not be in the pool yet, and it holds until it is taken back. ErrFull where too many nodes have one.
func (p *Pool) SetSchedule(ctx context.Context, node signaling.NodeID, s *signaling.Schedule) error {
	err := checkName("node", string(node))
	var text []byte
	if err == nil && s != nil {
		if _, err = nodetime.FromContract(*s); err == nil {
			text, err = json.Marshal(s)
		}
		if err == nil && len(text) > maxSchedule {
			err = fmt.Errorf("it has %d bytes: at most %d", len(text), maxSchedule)
		}
	}
	if err == nil {
		err = p.flag(ctx, ErrFull, scheduleScript, string(node), text, maxSchedules)
	}
	if err != nil {
		return fmt.Errorf("schedule node %.70q: %w", string(node), err)
	}
	return nil
}

// Schedule is what an operator has set of a node, ErrNotFound where that is nothing.
func (p *Pool) Schedule(ctx context.Context, node signaling.NodeID) (signaling.Schedule, error) {
	var s signaling.Schedule
	text, err := p.rdb.HGet(ctx, p.key("schedules"), string(node)).Result()
	if errors.Is(err, redis.Nil) {
		err = ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &s)
	}
	if err != nil {
		return s, fmt.Errorf("read the schedule of node %.70q: %w", string(node), err)
	}
	return s, nil
}

// Schedules are those that operators have set. One that this broker cannot read, of a newer one, is left out and logged.
func (p *Pool) Schedules(ctx context.Context) (map[signaling.NodeID]signaling.Schedule, error) {
	all, err := p.rdb.HGetAll(ctx, p.key("schedules")).Result()
	if err != nil {
		return nil, fmt.Errorf("read schedules: %w", err)
	}
	out := make(map[signaling.NodeID]signaling.Schedule, len(all))
	for id, text := range all {
		var s signaling.Schedule
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			p.o.Logger.Warn("the schedule of a node cannot be read by this broker", "node", id, "error", err)
			continue
		}
		out[signaling.NodeID(id)] = s
	}
	return out, nil
}

// Scheduled is the version of Schedules: another one means that some have changed.
func (p *Pool) Scheduled(ctx context.Context) (string, error) {
	v, err := p.rdb.Get(ctx, p.key("scheduled")).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("read the version of schedules: %w", err)
	}
	return v, nil
}
