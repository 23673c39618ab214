package pool_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

func TestB3SchedulesAreKeptUntilTheyAreTakenBack(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		from := time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC)
		s := signaling.Schedule{Hours: []signaling.OpenHours{{Days: []string{"mon"}, From: "07:30", To: "19:00"}},
			Closed: []signaling.TimeSpan{{From: from, To: from.Add(time.Hour)}}, TimeZone: "Europe/Berlin"}
		before, err := p.Scheduled(p.ctx)
		p.must(err)
		p.must(p.SetSchedule(p.ctx, "edge-1", &s))
		version, err := p.Scheduled(p.ctx)
		p.must(err)
		if version == before {
			t.Error("the version is the same behind a change")
		}
		all, err := p.Schedules(p.ctx)
		p.must(err)
		if want := map[signaling.NodeID]signaling.Schedule{"edge-1": s}; !reflect.DeepEqual(all, want) {
			t.Errorf("%+v", all)
		}
		one, err := p.Schedule(p.ctx, "edge-1")
		p.must(err)
		if !reflect.DeepEqual(one, s) {
			t.Errorf("%+v", one)
		}
		p.must(p.SetSchedule(p.ctx, "edge-1", nil))
		if _, err := p.Schedule(p.ctx, "edge-1"); !errors.Is(err, pool.ErrNotFound) {
			t.Errorf("taken back: %v", err)
		}
		gone, err := p.Scheduled(p.ctx)
		p.must(err)
		if gone == version {
			t.Error("the version is the same when it is taken back")
		}
		p.must(p.SetSchedule(p.ctx, "edge-1", nil)) // again
		if again, _ := p.Scheduled(p.ctx); again != gone {
			t.Error("the version is another one though nothing has changed")
		}
	})
}

func TestSchedulesThatCannotBeAreRefused(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		at := time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC)
		for want, s := range map[string]signaling.Schedule{
			"it ends before it begins": {Open: []signaling.TimeSpan{{From: at, To: at.Add(-1)}}},
			"overlaps":                 {Closed: []signaling.TimeSpan{{From: at, To: at.Add(2)}, {From: at.Add(1), To: at.Add(3)}}},
			"timeZone":                 {TimeZone: "Mars/Base"},
		} {
			if err := p.SetSchedule(p.ctx, "edge-1", &s); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		}
		if err := p.SetSchedule(p.ctx, "edge 1", &signaling.Schedule{}); err == nil {
			t.Error("a node without a name has a schedule")
		}
		if all, err := p.Schedules(p.ctx); err != nil || len(all) > 0 {
			t.Errorf("%v, %v", all, err)
		}
	})
}

// One schedule that cannot be read does not hide the others.
func TestASchedulesRecordThatIsBroken(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.must(p.SetSchedule(p.ctx, "edge-1", &signaling.Schedule{HorizonS: 60}))
		p.must(p.rdb.HSet(p.ctx, prefix+":schedules", "edge-2", `{"hours":7}`).Err())
		all, err := p.Schedules(p.ctx)
		p.must(err)
		if len(all) != 1 || all["edge-1"].HorizonS != 60 {
			t.Errorf("%+v", all)
		}
		if _, err := p.Schedule(p.ctx, "edge-2"); err == nil {
			t.Error("the broken one is read")
		}
	})
}

func TestTasksOnANode(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("edge-1"), 0)
		p.register(edge("edge-2"), 0)
		if _, err := p.OnNode(p.ctx, "edge-9", 10); !errors.Is(err, pool.ErrUnknownNode) {
			t.Errorf("an unknown node: %v", err)
		}
		if tasks, err := p.OnNode(p.ctx, "edge-1", 10); err != nil || len(tasks) > 0 {
			t.Errorf("an empty node: %+v, %v", tasks, err)
		}
		first := p.runs("t-1", "edge-1")
		second := p.runs("t-2", "edge-2")
		shadow, err := p.ClaimShadow(p.ctx, "t-2", []signaling.NodeID{"edge-1"}, second.Resources, time.Minute)
		p.must(err)
		tasks, err := p.OnNode(p.ctx, "edge-1", 10)
		p.must(err)
		if len(tasks) != 2 || tasks[0].ID != "t-1" || tasks[0].Attempt.ID != first.Attempt.ID || *tasks[0].Resources != first.Resources ||
			tasks[1].ID != "t-2" || tasks[1].Shadow == nil || tasks[1].Shadow.ID != shadow.Attempt.ID || *tasks[1].Resources != shadow.Resources {
			t.Errorf("%+v", tasks)
		}
		if some, err := p.OnNode(p.ctx, "edge-1", 1); err != nil || len(some) != 1 || some[0].ID != "t-1" {
			t.Errorf("%+v, %v", some, err)
		}
		_, err = p.Release(p.ctx, "t-1", "", signaling.TaskFinished, "", nil)
		p.must(err)
		if some, err := p.OnNode(p.ctx, "edge-1", 10); err != nil || len(some) != 1 || some[0].ID != "t-2" {
			t.Errorf("behind an end: %+v, %v", some, err)
		}
	})
}
