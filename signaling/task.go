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
	Resources     *Resources      `json:"resources,omitempty" doc:"what it takes, where it is not the default of its type"`
	Parameters    json.RawMessage `json:"parameters,omitempty" doc:"parameters of the operation"`
	MaxDistanceMs float64         `json:"maxDistanceMs,omitempty" minimum:"0" doc:"take no node farther away than this, milliseconds of round trip"`
}

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
	if r.MaxDistanceMs < 0 {
		return fmt.Errorf("maxDistanceMs is %g: it must not be negative", r.MaxDistanceMs)
	}
	return nil
}

// Uploads says whether the terminal sends the files to show itself.
func (r *TaskRequest) Uploads() bool {
	var p RenderingParameters
	return r.Type == Rendering && len(r.Parameters) > 0 && json.Unmarshal(r.Parameters, &p) == nil && p.Upload
}

// Needs is what the task takes: what it names, else the default of its type.
func (r *TaskRequest) Needs() Resources {
	if r.Resources != nil && !r.Resources.IsZero() {
		return *r.Resources
	}
	return DefaultResources(r.Type)
}

// Usage is what a task really used while it ran.
type Usage struct {
	RunMs        int64   `json:"runMs,omitempty" doc:"time from start to end"`
	GPUMs        float64 `json:"gpuMs,omitempty" doc:"time on the render queue"`
	CPUMs        float64 `json:"cpuMs,omitempty" doc:"processor time of its workers"`
	PeakMemoryMB int64   `json:"peakMemoryMB,omitempty"`
	Pictures     int64   `json:"pictures,omitempty" doc:"pictures encoded"`
	BytesSent    int64   `json:"bytesSent,omitempty"`
}

// Attempt is one placement of a task on a node.
type Attempt struct {
	ID      AttemptID `json:"id"`
	Node    NodeID    `json:"node"`
	Fencing int64     `json:"fencing" doc:"fencing token: a higher one overrules a lower one"`
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
}

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
}
