package signaling

import "time"

// Schedule is when an operator has a node open (B3): opening hours by the week, spans of time in which it is open or closed
// whatever the hours say (maintenance, a booking for a conference), and when a machine that is lent for a time goes.
type Schedule struct {
	Hours    []OpenHours `json:"hours,omitempty" maxItems:"50" doc:"opening hours; where there are neither hours nor open spans the node is always open"`
	Open     []TimeSpan  `json:"open,omitempty" maxItems:"1000" doc:"spans in which it is open"`
	Closed   []TimeSpan  `json:"closed,omitempty" maxItems:"1000" doc:"spans in which it takes no part"`
	Expires  *time.Time  `json:"expires,omitempty" doc:"when the machine goes"`
	TimeZone string      `json:"timeZone,omitempty" maxLength:"60" doc:"IANA name of the zone that hours are told in; UTC where empty"`
	// HorizonS and PeriodS are the time T for which the node promises its resources ahead, and how often what is promised
	// comes back (circulation period). Without them only the spans count.
	HorizonS int64 `json:"horizonS,omitempty" minimum:"0" doc:"for how long the node promises its resources ahead, seconds"`
	PeriodS  int64 `json:"periodS,omitempty" minimum:"0" doc:"circulation period, seconds"`
}

// OpenHours are opening hours of some days of the week, by the clock on the wall.
type OpenHours struct {
	Days []string `json:"days" minItems:"1" maxItems:"7" doc:"mon, tue, wed, thu, fri, sat, sun"`
	From string   `json:"from" doc:"like 07:30"`
	To   string   `json:"to" doc:"like 19:00; 24:00 is the end of the day"`
}

// TimeSpan is a span of time, To excluded.
type TimeSpan struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// NodeTime is a node's time dimension (B3).
type NodeTime struct {
	At   time.Time `json:"at"`
	Open bool      `json:"open" doc:"it is open now"`
	// TotalS is T, FreeS is t by kind of resource, seconds; absent where the node stays for ever.
	TotalS *float64           `json:"totalS,omitempty" doc:"for how long the node can be used in all, seconds; absent: it stays"`
	FreeS  map[string]float64 `json:"freeS,omitempty" doc:"for how long what is free of each kind can be used, seconds; absent: it stays"`
	Line   []NodeMoment       `json:"line" nullable:"false" doc:"what will be free by the predicted ends of what runs"`
	Tasks  []NodeTask         `json:"tasks" nullable:"false" doc:"what runs there"`
}

// NodeMoment is what is free on a node from a time on.
type NodeMoment struct {
	At   time.Time `json:"at"`
	Open bool      `json:"open"`
	Free Resources `json:"free"`
}

// NodeTask is a task on a node's time line.
type NodeTask struct {
	Task      TaskID     `json:"task"`
	Type      TaskType   `json:"type"`
	Operation string     `json:"operation,omitempty" doc:"which one, of a compute task"`
	Resources Resources  `json:"resources"`
	StartedAt time.Time  `json:"startedAt"`
	EndsAt    *time.Time `json:"endsAt,omitempty" doc:"when half of such tasks have ended; absent where nobody knows"`
	LateAt    *time.Time `json:"lateAt,omitempty" doc:"when nine tenths of such tasks have ended"`
	Shadow    bool       `json:"shadow,omitempty" doc:"it is kept ready there, and runs elsewhere"`
	Moves     bool       `json:"moves,omitempty" doc:"it is on its way there, and runs elsewhere"`
}

// Forecast is what is predicted of a task (B2).
type Forecast struct {
	Known      bool  `json:"known" doc:"false: nothing like it has run yet"`
	ExpectedMs int64 `json:"expectedMs,omitempty" doc:"half of such tasks run for less"`
	LowMs      int64 `json:"lowMs,omitempty" doc:"a tenth runs for less"`
	HighMs     int64 `json:"highMs,omitempty" doc:"a tenth runs for more"`
	LeftMs     int64 `json:"leftMs,omitempty" doc:"for how long it is expected to go on, given how long it has run"`
	// GPUMilli and CPUMilli are what such tasks use on average while they run.
	GPUMilli float64 `json:"gpuMilli,omitempty" doc:"expected use of GPU time, thousandths of one GPU"`
	CPUMilli float64 `json:"cpuMilli,omitempty" doc:"expected use of processor time, thousandths of a core"`
	Basis    string  `json:"basis,omitempty" doc:"what it rests on, in words"`
}
