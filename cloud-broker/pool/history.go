package pool

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/signaling"
)

// HistoryEntry is what is kept of a task that has ended: what was asked, when it ran and what it really used.
// Creator and Series are hashes, the same for the same creator and series, so that runs can be grouped by them and
// nobody is named.
type HistoryEntry struct {
	Task       signaling.TaskID     `json:"task"`
	Type       signaling.TaskType   `json:"type"`
	Operation  string               `json:"operation,omitempty"`
	Preset     string               `json:"preset,omitempty" doc:"how a session began to show its series: mode and preset"`
	Framework  string               `json:"framework,omitempty" doc:"what a computation or a training runs on"`
	Modality   string               `json:"modality,omitempty" doc:"DICOM modality of the data"`
	DataMB     float64              `json:"dataMB,omitempty" doc:"how much data it was to work on, MiB, as was said when it was asked for"`
	Parameters json.RawMessage      `json:"parameters,omitempty" doc:"of the operation, where they are not large"`
	Series     string               `json:"series,omitempty" doc:"hash of the series"`
	Creator    string               `json:"creator,omitempty" doc:"hash of who asked; absent where its site does not have creators learnt from"`
	Node       signaling.NodeID     `json:"node,omitempty" doc:"where it ran last"`
	State      signaling.TaskState  `json:"state"`
	Reason     string               `json:"reason,omitempty"`
	Requested  signaling.Resources  `json:"requested" doc:"what was asked for"`
	Held       *signaling.Resources `json:"held,omitempty" doc:"what it held at its end, where that was something else"`
	Urgent     bool                 `json:"urgent,omitempty"`
	Misses     int                  `json:"misses,omitempty" doc:"how often a node went away under it"`
	CreatedAt  time.Time            `json:"createdAt"`
	StartedAt  *time.Time           `json:"startedAt,omitempty"`
	EndedAt    time.Time            `json:"endedAt"`
	Usage      *signaling.Usage     `json:"usage,omitempty" doc:"what it really used"`
	Forecast   *signaling.Forecast  `json:"forecast,omitempty" doc:"what was predicted when it was asked for"`
}

// Pseudonym stands for who asked where nobody is to be named, the same for the same subject.
func Pseudonym(creator string) string {
	if creator == "" {
		return ""
	}
	return creatorHash(creator)
}

// creatorHash stands for a creator, also one without a name, as the queue has it.
func creatorHash(creator string) string { return digest("creator", creator) }

// History returns up to limit ended tasks, the last ended first. Options.HistoryLimit are kept.
func (p *Pool) History(ctx context.Context, limit int) ([]HistoryEntry, error) {
	if limit < 1 {
		return nil, nil
	}
	ids, err := p.rdb.ZRevRange(ctx, p.key("ended"), 0, int64(limit)-1).Result()
	if err != nil {
		return nil, fmt.Errorf("list the history: %w", err)
	}
	entries, err := p.entries(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	ended := entries[:0]
	for _, e := range entries {
		if e.State.Ended() { // else it came back with its node since it was listed
			ended = append(ended, e)
		}
	}
	return ended, nil
}

// Cursor is a place in the history, behind the tasks that were read. The zero value is its beginning.
type Cursor struct {
	at   int64                     // ms
	read map[signaling.TaskID]bool // of those that ended then
}

// Ended returns up to limit of the tasks that ended behind a place in the history, the first ended first, and the place behind
// them.
func (p *Pool) Ended(ctx context.Context, from Cursor, limit int) ([]HistoryEntry, Cursor, error) {
	if limit < 1 {
		return nil, from, nil
	}
	found, err := p.rdb.ZRangeByScoreWithScores(ctx, p.key("ended"), &redis.ZRangeBy{Min: fmt.Sprint(from.at), Max: "+inf",
		Count: int64(limit + len(from.read))}).Result()
	if err != nil {
		return nil, from, fmt.Errorf("list what has ended: %w", err)
	}
	next := Cursor{from.at, from.read}
	var ids []string
	for _, z := range found {
		id, _ := z.Member.(string)
		at := int64(z.Score)
		if at == from.at && from.read[signaling.TaskID(id)] {
			continue
		}
		if at != next.at || len(ids) == 0 {
			read := map[signaling.TaskID]bool{}
			if at == from.at {
				for t := range from.read {
					read[t] = true
				}
			}
			next = Cursor{at, read}
		}
		next.read[signaling.TaskID(id)] = true
		ids = append(ids, id)
	}
	entries, err := p.entries(ctx, ids)
	if err != nil {
		return nil, from, fmt.Errorf("read what has ended: %w", err)
	}
	return entries, next, nil
}

// Latest is the place in the history behind which the newest limit tasks are.
func (p *Pool) Latest(ctx context.Context, limit int) (Cursor, error) {
	found, err := p.rdb.ZRevRangeWithScores(ctx, p.key("ended"), int64(limit), int64(limit)).Result()
	if err != nil {
		return Cursor{}, fmt.Errorf("find the newest of the history: %w", err)
	}
	if len(found) == 0 {
		return Cursor{}, nil
	}
	return Cursor{at: int64(found[0].Score) + 1}, nil
}

// Begun returns those of the newest limit tasks that known does not know, the first created first, as they are now. Of one that
// has not ended EndedAt is zero.
func (p *Pool) Begun(ctx context.Context, limit int, known func(signaling.TaskID) bool) ([]HistoryEntry, error) {
	if limit < 1 {
		return nil, nil
	}
	ids, err := p.rdb.ZRevRange(ctx, p.key("tasks"), 0, int64(limit)-1).Result()
	if err != nil {
		return nil, fmt.Errorf("list the newest tasks: %w", err)
	}
	var fresh []string
	for i := len(ids) - 1; i >= 0; i-- {
		if !known(signaling.TaskID(ids[i])) {
			fresh = append(fresh, ids[i])
		}
	}
	entries, err := p.entries(ctx, fresh)
	if err != nil {
		return nil, fmt.Errorf("read the newest tasks: %w", err)
	}
	return entries, nil
}

// entries reads those tasks that are there, in order.
func (p *Pool) entries(ctx context.Context, ids []string) (entries []HistoryEntry, err error) {
	err = p.records(ctx, ids, func(id string, f map[string]string) error {
		t, a, err := decodeRecord(id, f)
		if err != nil {
			return err
		}
		entries = append(entries, EntryOf(&t, a.Unnamed))
		return nil
	})
	return entries, err
}

// EntryOf is what the history keeps of a task. Of one that has not ended EndedAt is zero. unnamed leaves out who asked.
func EntryOf(t *signaling.Task, unnamed bool) HistoryEntry {
	r := &t.Request
	if len(r.Parameters) > bigParameters { // forgotten when the task ends
		small := *r
		small.Parameters = nil
		r = &small
	}
	e := HistoryEntry{Task: t.ID, Type: r.Type, Operation: r.Operation, Framework: r.Framework, Modality: r.Modality, DataMB: r.DataMB,
		Parameters: r.Parameters, State: t.State, Reason: t.Reason, Requested: r.Needs(), Urgent: r.Urgent, Misses: t.Misses,
		CreatedAt: t.CreatedAt, StartedAt: t.StartedAt, Usage: t.Usage, Forecast: t.Forecast, Preset: preset(r)}
	if e.DataMB == 0 && r.Input != nil {
		e.DataMB = float64(r.Input.Bytes) / (1 << 20)
	}
	if t.EndedAt != nil {
		e.EndedAt = *t.EndedAt
	}
	if t.State.Ended() && t.Resources != nil && *t.Resources != e.Requested {
		e.Held = t.Resources
	}
	if s := r.Series; s != nil {
		e.Series = digest("series", s.Source, s.StudyInstanceUID, s.SeriesInstanceUID)
	}
	if !unnamed {
		e.Creator = Pseudonym(t.Creator)
	}
	if t.Attempt != nil {
		e.Node = t.Attempt.Node
	}
	return e
}

// preset says how a session begins to show its series, "mode preset" of its first viewport; empty where the request does not say.
func preset(r *signaling.TaskRequest) string {
	if r.Type != signaling.Rendering || len(r.Parameters) == 0 {
		return ""
	}
	var p struct {
		View struct {
			Viewports []struct {
				Mode   signaling.ViewMode `json:"mode"`
				Preset string             `json:"preset"`
			} `json:"viewports"`
		} `json:"view"`
	}
	if json.Unmarshal(r.Parameters, &p) != nil || len(p.View.Viewports) == 0 {
		return ""
	}
	v := p.View.Viewports[0]
	if v.Mode == "" {
		return ""
	}
	return clip(string(v.Mode)+" "+v.Preset, maxPreset)
}

const maxPreset = 64
