// Package monitor is the task resource monitor of vertical scaling (B5, B9.1): it takes the instantaneous rates at which
// tasks use what they have, and tells their average use over a window W1.
package monitor

import (
	"fmt"
	"math"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/signaling"
)

// Config is how averages are made.
type Config struct {
	Window time.Duration // W1
	// Rates takes the mean of the rates as they were noted, instead of the use within the window divided by it.
	Rates bool
}

// Default is the window that fits sessions and compute tasks of minutes to hours.
var Default = Config{Window: 10 * time.Minute}

// Validate refuses a window that cannot be.
func (c Config) Validate() error {
	if c.Window <= 0 || c.Window > 30*24*time.Hour {
		return fmt.Errorf("window (W1) is %v: more than 0, at most 30 days", c.Window)
	}
	return nil
}

// Rates are what a task uses at a moment, in the units of amounts; NaN is what was not measured.
type Rates [nodetime.Kinds]float64

// Monitor follows tasks. One goroutine owns it.
type Monitor struct {
	config Config
	tasks  map[signaling.TaskID]*[nodetime.Kinds]*nodetime.Average
}

// New is a monitor without tasks.
func New(c Config) *Monitor {
	return &Monitor{c, map[signaling.TaskID]*[nodetime.Kinds]*nodetime.Average{}}
}

// Begin follows a task from its start on, so that the window is never longer than it has run.
func (m *Monitor) Begin(task signaling.TaskID, started time.Time) {
	var averages [nodetime.Kinds]*nodetime.Average
	for k := range averages {
		averages[k] = nodetime.NewAverage(m.config.Window, started)
	}
	m.tasks[task] = &averages
}

// Restart begins the window of a kind anew: what the task used before was bounded by less than it has now.
func (m *Monitor) Restart(task signaling.TaskID, k nodetime.Kind, at time.Time) {
	if averages, known := m.tasks[task]; known {
		averages[k] = nodetime.NewAverage(m.config.Window, at)
	}
}

// End forgets a task.
func (m *Monitor) End(task signaling.TaskID) { delete(m.tasks, task) }

// Note takes rates that have held since the last ones. Those that cannot be are refused, and nothing is noted.
func (m *Monitor) Note(task signaling.TaskID, rates Rates, at time.Time) error {
	averages, known := m.tasks[task]
	if !known {
		return fmt.Errorf("use of %s: it is not followed", task)
	}
	for k, v := range rates {
		if v < 0 || math.IsInf(v, 0) {
			return fmt.Errorf("use of %s: %v is %g: it must be finite and not negative", task, nodetime.Kind(k), v)
		}
	}
	for k, v := range rates {
		if math.IsNaN(v) {
			continue
		}
		if err := averages[k].Add(v, at); err != nil {
			return fmt.Errorf("use of %s: %v: %w", task, nodetime.Kind(k), err)
		}
	}
	return nil
}

// Average is a task's use of a kind over W1, in the units of amounts; false where nothing was measured in it.
func (m *Monitor) Average(task signaling.TaskID, k nodetime.Kind, now time.Time) (float64, bool) {
	averages, known := m.tasks[task]
	switch {
	case !known:
		return 0, false
	case m.config.Rates:
		return averages[k].Mean(now)
	}
	return averages[k].Over(now)
}

// Peak is the highest rate within W1.
func (m *Monitor) Peak(task signaling.TaskID, k nodetime.Kind, now time.Time) (float64, bool) {
	averages, known := m.tasks[task]
	if !known {
		return 0, false
	}
	return averages[k].Peak(now)
}
