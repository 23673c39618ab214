package signaling

import (
	"encoding/json"
	"fmt"
	"regexp"
	"time"
)

// TaskType is the kind of work (A1).
type TaskType string

// The task types.
const (
	ImageProcessing     TaskType = "image-processing"
	ImageReconstruction TaskType = "image-reconstruction"
	DataComputation     TaskType = "data-computation"
	Rendering           TaskType = "rendering" // a running rendering task is a session
	Training            TaskType = "training"
)

// TaskTypes are all task types.
var TaskTypes = []TaskType{ImageProcessing, ImageReconstruction, DataComputation, Rendering, Training}

// Valid says whether t is one of the five types.
func (t TaskType) Valid() bool {
	for _, k := range TaskTypes {
		if t == k {
			return true
		}
	}
	return false
}

// TaskState is where a task is in its life.
type TaskState string

// The states. A task goes from placing to reserved to running, and ends once, in one of the last three.
const (
	TaskPlacing  TaskState = "placing"  // candidates are being asked
	TaskReserved TaskState = "reserved" // an edge has confirmed and waits for the terminal
	TaskRunning  TaskState = "running"
	TaskFinished TaskState = "finished" // as the terminal asked, or the work is done
	TaskFailed   TaskState = "failed"
	TaskExpired  TaskState = "expired" // the terminal did not come, or was gone too long
)

// Ended says whether the task holds nothing any more.
func (s TaskState) Ended() bool {
	return s == TaskFinished || s == TaskFailed || s == TaskExpired
}

// Resources are amounts of what a node has and a task takes. Zero means none.
type Resources struct {
	GPUMemoryMB     int64 `json:"gpuMemoryMB,omitempty" doc:"GPU memory, MiB"`
	GPUMilli        int64 `json:"gpuMilli,omitempty" doc:"share of GPU time, thousandths of one GPU"`
	EncoderSessions int64 `json:"encoderSessions,omitempty" doc:"video encoders at a time"`
	CPUMilli        int64 `json:"cpuMilli,omitempty" doc:"processor time, thousandths of one core"`
	MemoryMB        int64 `json:"memoryMB,omitempty" doc:"main memory, MiB"`
}

// Fits says whether r fits into free, amount by amount.
func (r Resources) Fits(free Resources) bool {
	return r.GPUMemoryMB <= free.GPUMemoryMB && r.GPUMilli <= free.GPUMilli &&
		r.EncoderSessions <= free.EncoderSessions && r.CPUMilli <= free.CPUMilli && r.MemoryMB <= free.MemoryMB
}

// Add returns r + o.
func (r Resources) Add(o Resources) Resources {
	return Resources{r.GPUMemoryMB + o.GPUMemoryMB, r.GPUMilli + o.GPUMilli, r.EncoderSessions + o.EncoderSessions,
		r.CPUMilli + o.CPUMilli, r.MemoryMB + o.MemoryMB}
}

// Sub returns r - o.
func (r Resources) Sub(o Resources) Resources {
	return Resources{r.GPUMemoryMB - o.GPUMemoryMB, r.GPUMilli - o.GPUMilli, r.EncoderSessions - o.EncoderSessions,
		r.CPUMilli - o.CPUMilli, r.MemoryMB - o.MemoryMB}
}

// IsZero says whether no amount is set.
func (r Resources) IsZero() bool { return r == Resources{} }

// Validate refuses negative amounts and amounts beyond any machine.
func (r Resources) Validate() error {
	for _, f := range []struct {
		name string
		v    int64
	}{
		{"gpuMemoryMB", r.GPUMemoryMB}, {"gpuMilli", r.GPUMilli}, {"encoderSessions", r.EncoderSessions},
		{"cpuMilli", r.CPUMilli}, {"memoryMB", r.MemoryMB},
	} {
		if f.v < 0 || f.v > 1<<31 {
			return fmt.Errorf("resources.%s is %d: it must be 0 to %d", f.name, f.v, 1<<31)
		}
	}
	return nil
}

// DefaultResources is what a task of a type takes where its request names nothing.
func DefaultResources(t TaskType) Resources {
	if t == Rendering {
		return Resources{GPUMemoryMB: 1024, GPUMilli: 250, EncoderSessions: 1, CPUMilli: 500, MemoryMB: 1024}
	}
	return Resources{CPUMilli: 500, MemoryMB: 512}
}

// SeriesRef names a DICOM series (PS3.3 C.7.2.1, C.7.3.1) at a configured source. It carries no address: where a source
// is and how to log in reaches the edge with the control instruction, never the terminal.
type SeriesRef struct {
	Source            string `json:"source,omitempty" doc:"name of the configured source; empty means the broker's own"`
	StudyInstanceUID  string `json:"studyInstanceUID" doc:"DICOM UID of the study"`
	SeriesInstanceUID string `json:"seriesInstanceUID,omitempty" doc:"DICOM UID of the series; empty lets the edge choose the study's largest volume"`
	Part              int    `json:"part,omitempty" minimum:"0" doc:"part of a series that holds several stacks, from 1 (SeriesInfo.parts); 0 lets the edge choose the largest"`
}

// Uploads is the source whose files the terminal itself sends to its edge (RenderingParameters.Upload).
const Uploads = "upload"

// MaxPart bounds SeriesRef.Part.
const MaxPart = 9999

var uidPattern = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*$`)

// ValidUID says whether s is a DICOM unique identifier: digits in components parted by dots, at most 64
// characters (PS3.5 section 9.1).
func ValidUID(s string) bool { return len(s) <= 64 && uidPattern.MatchString(s) }

// Validate refuses references that cannot name a series.
func (s SeriesRef) Validate() error {
	if !ValidUID(s.StudyInstanceUID) {
		return fmt.Errorf("studyInstanceUID %.70q is no DICOM UID (digits and dots, at most 64 characters)", s.StudyInstanceUID)
	}
	if s.SeriesInstanceUID != "" && !ValidUID(s.SeriesInstanceUID) {
		return fmt.Errorf("seriesInstanceUID %.70q is no DICOM UID (digits and dots, at most 64 characters)", s.SeriesInstanceUID)
	}
	if len(s.Source) > 64 {
		return fmt.Errorf("source has %d characters: at most 64", len(s.Source))
	}
	if s.Part < 0 || s.Part > MaxPart {
		return fmt.Errorf("part is %d: 0 to %d", s.Part, MaxPart)
	}
	return nil
}

// TaskRequest is what a terminal asks for.
type TaskRequest struct {
	Type          TaskType        `json:"type" enum:"image-processing,image-reconstruction,data-computation,rendering,training" doc:"kind of work"`
	Series        *SeriesRef      `json:"series,omitempty" doc:"the series to work on"`
	Operation     string          `json:"operation,omitempty" maxLength:"64" doc:"what to do, for compute tasks, for example histogram"`
	Resources     *Resources      `json:"resources,omitempty" doc:"what it takes, of each kind where it is not the default of its type"`
	Parameters    json.RawMessage `json:"parameters,omitempty" doc:"parameters of the operation"`
	Input         *TaskInput      `json:"input,omitempty" doc:"the data that the terminal sends to the node for a compute task, where it works on no series"`
	Handling      Handling        `json:"handling,omitempty" enum:"resident,allocate,defer" doc:"the user's choice, where the node asks how to handle tasks of this type"`
	Zone          string          `json:"zone,omitempty" maxLength:"63" doc:"zone that the terminal stands in, where it knows; else it is found from the terminal's network address"`
	Pings         []Ping          `json:"pings,omitempty" maxItems:"16" doc:"round trips to likely edges that the terminal has measured"`
	MaxDistanceMs float64         `json:"maxDistanceMs,omitempty" minimum:"0" doc:"take no edge farther away than this, milliseconds of round trip; the cloud tier is the fallback at any distance"`
	WhenFull      WhenFull        `json:"whenFull,omitempty" enum:"queue,refuse" doc:"what to do where nothing is free; the site's default where empty, which is refuse unless it is configured"`
	Urgent        bool            `json:"urgent,omitempty" doc:"go before others in the queue, and end an idle session where nothing is free; a right of its own"`
	Shadow        bool            `json:"shadow,omitempty" doc:"keep a second node ready that has the study loaded and the view in step, to take over at once"`
	Local         *LocalCheck     `json:"local,omitempty" doc:"why the terminal does not do it itself"`
	// Framework, Modality and DataMB are what its run time is predicted from beside the rest (B1); they decide nothing else.
	Framework string  `json:"framework,omitempty" maxLength:"64" doc:"what the work is done with, for example pytorch"`
	Modality  string  `json:"modality,omitempty" maxLength:"16" doc:"DICOM modality of the series, where the terminal knows it"`
	DataMB    float64 `json:"dataMB,omitempty" minimum:"0" doc:"size of the data, MiB, where the terminal knows it"`
}

// WhenFull is what becomes of a request for which nothing is free.
type WhenFull string

// The preferences.
const (
	WhenFullQueue  WhenFull = "queue"
	WhenFullRefuse WhenFull = "refuse"
)

// Handling is how a node handles tasks of a type (A9).
type Handling string

// The handling modes.
const (
	HandlingResident Handling = "resident" // by the compute workers that are there always
	HandlingAllocate Handling = "allocate" // by workers or render resources allocated for the task and released after it
	HandlingDefer    Handling = "defer"    // later, when the node is idle or the task has waited long enough
	HandlingAsk      Handling = "ask"      // as the user chooses
)

// Valid says whether h is one of the modes.
func (h Handling) Valid() bool {
	return h == HandlingResident || h == HandlingAllocate || h == HandlingDefer || h == HandlingAsk
}

// DefaultHandling is how tasks of a type are handled where nothing is configured: pictures have resources of their own,
// short work is done by the resident workers, a reconstruction gets workers of its own, and training waits for a quiet
// moment.
func DefaultHandling(t TaskType) Handling {
	switch t {
	case Rendering, ImageReconstruction:
		return HandlingAllocate
	case Training:
		return HandlingDefer
	}
	return HandlingResident
}

// Ping is a round trip that a terminal has measured.
type Ping struct {
	Node NodeID  `json:"node" maxLength:"63"`
	Ms   float64 `json:"ms" minimum:"0" maximum:"60000" doc:"round trip, milliseconds"`
}

// MaxPings bounds TaskRequest.Pings.
const MaxPings = 16

// LocalCheck is what a terminal found when it looked at its own resources (A13).
type LocalCheck struct {
	Preferred bool   `json:"preferred,omitempty" doc:"the user prefers an edge although the terminal could do it"`
	Reason    string `json:"reason" maxLength:"300" doc:"why an edge is asked, in words"`
	MemoryMB  int64  `json:"memoryMB,omitempty" doc:"memory of the terminal, MiB"`
	GPU       string `json:"gpu,omitempty" maxLength:"200" doc:"what renders there"`
}

// TaskInput is data that a terminal sends over "bulk" once a node has taken its compute task. The request itself carries no
// data (A2).
type TaskInput struct {
	Format string `json:"format" maxLength:"100" doc:"media type, for example application/dicom or application/octet-stream"`
	Bytes  int64  `json:"bytes" minimum:"1"`
}

// MaxInput bounds TaskInput.Bytes.
const MaxInput = 1 << 30

// MaxPictureSide bounds the width and height of a session's picture, pixels.
const MaxPictureSide = 4096

// MaxParameters bounds TaskRequest.Parameters, bytes.
const MaxParameters = 64 << 10

// Validate refuses requests that no node could serve, naming the field.
func (r *TaskRequest) Validate() error {
	if !r.Type.Valid() {
		return fmt.Errorf("type %.70q is unknown: it must be one of %v", string(r.Type), TaskTypes)
	}
	if r.Type == Rendering && r.Series == nil && !r.Uploads() {
		return fmt.Errorf("series is missing: a rendering task names the series it shows, or asks with parameters.upload to send files")
	}
	if r.Series != nil && r.Uploads() {
		return fmt.Errorf("series and parameters.upload exclude each other: the files that are sent say which series there are")
	}
	if r.Series != nil {
		if err := r.Series.Validate(); err != nil {
			return fmt.Errorf("series: %w", err)
		}
	}
	if r.Resources != nil {
		if err := r.Resources.Validate(); err != nil {
			return err
		}
	}
	if len(r.Parameters) > MaxParameters {
		return fmt.Errorf("parameters has %d bytes: at most %d", len(r.Parameters), MaxParameters)
	}
	if r.Type == Rendering && len(r.Parameters) > 0 {
		var p RenderingParameters
		if err := json.Unmarshal(r.Parameters, &p); err != nil {
			return fmt.Errorf("parameters: %w", err)
		}
		if p.Width < 0 || p.Height < 0 || p.Width > MaxPictureSide || p.Height > MaxPictureSide {
			return fmt.Errorf("parameters.width and height are %d and %d: each 0 to %d pixels", p.Width, p.Height, MaxPictureSide)
		}
	}
	if !(r.MaxDistanceMs >= 0) {
		return fmt.Errorf("maxDistanceMs is %g: it must not be negative", r.MaxDistanceMs)
	}
	return r.validateWay()
}

// validateWay refuses what is wrong with how the task is to be placed.
func (r *TaskRequest) validateWay() error {
	switch {
	case r.Zone != "" && !ValidName(r.Zone):
		return fmt.Errorf("zone %.70q: letters, digits, '.', '-' and '_', at most 63", r.Zone)
	case len(r.Pings) > MaxPings:
		return fmt.Errorf("pings has %d entries: at most %d", len(r.Pings), MaxPings)
	case r.WhenFull != "" && r.WhenFull != WhenFullQueue && r.WhenFull != WhenFullRefuse:
		return fmt.Errorf("whenFull %.20q: queue or refuse", string(r.WhenFull))
	case r.Handling != "" && (!r.Handling.Valid() || r.Handling == HandlingAsk):
		return fmt.Errorf("handling %.20q: resident, allocate or defer", string(r.Handling))
	case r.Handling != "" && r.Type == Rendering && r.Handling != HandlingAllocate:
		return fmt.Errorf("handling %.20q: rendering has resources of its own, it can only be allocate", string(r.Handling))
	case r.Shadow && r.Type != Rendering:
		return fmt.Errorf("shadow: only rendering tasks have one")
	case r.Input != nil && (r.Input.Bytes < 1 || r.Input.Bytes > MaxInput):
		return fmt.Errorf("input.bytes is %d: 1 to %d", r.Input.Bytes, MaxInput)
	case r.Input != nil && len(r.Input.Format) > 100:
		return fmt.Errorf("input.format has %d characters: at most 100", len(r.Input.Format))
	case r.Input != nil && (r.Type == Rendering || r.Series != nil):
		return fmt.Errorf("input: only for a compute task without a series")
	case len(r.Framework) > 64 || len(r.Modality) > 16:
		return fmt.Errorf("framework has %d characters and modality %d: at most 64 and 16", len(r.Framework), len(r.Modality))
	case !(r.DataMB >= 0 && r.DataMB <= 1e9):
		return fmt.Errorf("dataMB is %g: 0 to 1000000000", r.DataMB)
	case r.Local != nil && (len(r.Local.Reason) > 300 || len(r.Local.GPU) > 200 || r.Local.MemoryMB < 0):
		return fmt.Errorf("local: reason has at most 300 characters, gpu 200, and memoryMB is not negative")
	}
	for i, p := range r.Pings {
		if !ValidName(string(p.Node)) {
			return fmt.Errorf("pings[%d].node %.70q cannot name a node", i, string(p.Node))
		}
		if !(p.Ms >= 0 && p.Ms <= 60_000) {
			return fmt.Errorf("pings[%d].ms is %g: 0 to 60000", i, p.Ms)
		}
	}
	return nil
}

// Uploads says whether the terminal sends the files to show itself.
func (r *TaskRequest) Uploads() bool {
	var p RenderingParameters
	return r.Type == Rendering && len(r.Parameters) > 0 && json.Unmarshal(r.Parameters, &p) == nil && p.Upload
}

// Needs is what the task takes: of each kind what it names, else the default of its type.
func (r *TaskRequest) Needs() Resources {
	n := DefaultResources(r.Type)
	if r.Resources == nil {
		return n
	}
	for _, k := range []struct {
		named int64
		needs *int64
	}{
		{r.Resources.GPUMemoryMB, &n.GPUMemoryMB}, {r.Resources.GPUMilli, &n.GPUMilli}, {r.Resources.EncoderSessions, &n.EncoderSessions},
		{r.Resources.CPUMilli, &n.CPUMilli}, {r.Resources.MemoryMB, &n.MemoryMB},
	} {
		if k.named > 0 {
			*k.needs = k.named
		}
	}
	return n
}

// Usage is what a task really used while it ran.
type Usage struct {
	RunMs        int64   `json:"runMs,omitempty" doc:"time from start to end"`
	GPUMs        float64 `json:"gpuMs,omitempty" doc:"time on the render queue"`
	CPUMs        float64 `json:"cpuMs,omitempty" doc:"processor time of its workers"`
	PeakMemoryMB int64   `json:"peakMemoryMB,omitempty"`
	Pictures     int64   `json:"pictures,omitempty" doc:"pictures encoded"`
	BytesSent    int64   `json:"bytesSent,omitempty"`
	DataMB       float64 `json:"dataMB,omitempty" doc:"data that it worked on, MiB"`
	TransferMs   float64 `json:"transferMs,omitempty" doc:"time that the data took to reach the node; 0 where it was there"`
}

// Attempt is one placement of a task on a node.
type Attempt struct {
	ID      AttemptID `json:"id"`
	Node    NodeID    `json:"node"`
	Fencing int64     `json:"fencing" doc:"fencing token: a higher one overrules a lower one"`
	GPU     int       `json:"gpu,omitempty" doc:"which of the node's GPUs it uses, from 0"`
}

// Reservation is resources held on a node for an attempt, until its lease ends or the edge confirms.
type Reservation struct {
	Attempt   Attempt   `json:"attempt"`
	Task      TaskID    `json:"task"`
	Resources Resources `json:"resources"`
	LeaseMs   int64     `json:"leaseMs" doc:"how long the reservation holds without renewal"`
	Confirmed bool      `json:"confirmed" doc:"the edge has it in its ledger"`
}

// Task is what the broker tells about a task.
type Task struct {
	ID        TaskID      `json:"id"`
	State     TaskState   `json:"state" enum:"placing,reserved,running,finished,failed,expired"`
	Reason    string      `json:"reason,omitempty" doc:"why it ended or waits, in words"`
	Request   TaskRequest `json:"request"`
	Creator   string      `json:"creator,omitempty" doc:"who asked: the token's subject"`
	Attempt   *Attempt    `json:"attempt,omitempty" doc:"where it runs, or ran last"`
	CreatedAt time.Time   `json:"createdAt"`
	StartedAt *time.Time  `json:"startedAt,omitempty"`
	EndedAt   *time.Time  `json:"endedAt,omitempty"`
	Usage     *Usage      `json:"usage,omitempty"`
	Queue     *Queue      `json:"queue,omitempty" doc:"where it stands while it waits"`
	Shadow    *Attempt    `json:"shadow,omitempty" doc:"the node that is kept ready to take over"`
	Resources *Resources  `json:"resources,omitempty" doc:"what it holds now, which may be more or less than it asked for (B5)"`
	Moves     *Attempt    `json:"moves,omitempty" doc:"the node that it is on its way to"`
	Misses    int         `json:"misses,omitempty" doc:"how often a node went away under it"`
	Forecast  *Forecast   `json:"forecast,omitempty" doc:"how long it is expected to run"`
}

// Queue is where a waiting task stands.
type Queue struct {
	Position       int   `json:"position" doc:"1 is the next"`
	Length         int   `json:"length" doc:"how many wait"`
	ExpectedWaitMs int64 `json:"expectedWaitMs,omitempty" doc:"by how often places became free lately; absent where that is not known"`
	Urgent         bool  `json:"urgent,omitempty" doc:"it goes before those that are not"`
}

// Pending is the answer to a request that has no place yet: it waits in the queue, or an edge that was busy has sent it on
// to the broker (A4). The terminal follows the task there by its id; the grant comes as an event.
type Pending struct {
	Task   TaskID    `json:"task"`
	State  TaskState `json:"state" enum:"placing"`
	Events string    `json:"events" doc:"URL of the task's events at the broker (text/event-stream); relative to the broker's URL where it has no scheme"`
	Reason string    `json:"reason,omitempty" doc:"why it waits, in words"`
	Queue  *Queue    `json:"queue,omitempty"`
}

// TaskEvent is the name of an event among a task's events (text/event-stream, WHATWG HTML 9.2).
type TaskEvent string

// The events. The stream ends behind grant, or where the task has ended.
const (
	TaskEventPending TaskEvent = "pending" // Pending: at the beginning, and when its position or expected wait changes
	TaskEventGrant   TaskEvent = "grant"   // Grant
	TaskEventProblem TaskEvent = "problem" // Problem: it gets no place
)

// Answer is the kind of a grant (A14), named, never numbered.
type Answer string

// The three kinds of answer.
const (
	EdgeAccepts    Answer = "edge-accepts"
	EdgeAssigned   Answer = "edge-assigned"
	ExecuteInCloud Answer = "execute-in-cloud"
)

// ICEServer is a STUN or TURN server (RFC 8489, RFC 8656) as a browser takes it.
type ICEServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

// Grant is what a terminal gets for a task that has a place.
type Grant struct {
	Answer         Answer      `json:"answer" enum:"edge-accepts,edge-assigned,execute-in-cloud"`
	Task           TaskID      `json:"task"`
	Attempt        Attempt     `json:"attempt"`
	SignalingURL   string      `json:"signalingURL" doc:"WebSocket to open; relative to the broker's URL where it has no scheme"`
	Token          string      `json:"token" doc:"sent in the first message there, never in a URL"`
	TokenExpiresAt time.Time   `json:"tokenExpiresAt"`
	ICEServers     []ICEServer `json:"iceServers"`
	Reasons        []string    `json:"reasons" doc:"why this node, in words"`
	Terms          []Term      `json:"terms,omitempty" doc:"what the choice was made of"`
	Handling       Handling    `json:"handling,omitempty" enum:"resident,allocate,defer,ask" doc:"how the node handles tasks of this type"`
	Shadow         NodeID      `json:"shadow,omitempty" doc:"the node that is kept ready to take over"`
}

// Term is a part of what a node is chosen by: the sum of its terms is its cost, and the lowest is taken.
type Term struct {
	Name   string  `json:"name" doc:"distance, locality, history, ..."`
	Ms     float64 `json:"ms" doc:"its weight, as milliseconds of distance; negative where it speaks for the node"`
	Reason string  `json:"reason"`
}
