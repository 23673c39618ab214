package signaling

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// ControlVersion is the version of the control link. A broker refuses an edge of another one by name.
const ControlVersion = 3

// ControlType is the kind of a message between an edge and the broker.
type ControlType string

// Control messages. The edge opens the WebSocket with its own credential (Authorization: Bearer) and
// registers; the broker answers registered or error. Messages that expect an answer carry an ID, and the
// answer repeats it.
const (
	ControlRegister   ControlType = "register"   // edge: Register
	ControlRegistered ControlType = "registered" // broker: Registered
	ControlHeartbeat  ControlType = "heartbeat"  // edge: Heartbeat
	ControlInstruct   ControlType = "instruct"   // broker, with ID: Instruction (A6)
	ControlConfirm    ControlType = "confirm"    // edge, same ID: the attempt is in its ledger
	ControlRefuse     ControlType = "refuse"     // edge, same ID: Problem
	ControlUpdate     ControlType = "update"     // edge: Update; the attempt started, ended or goes on
	ControlRelease    ControlType = "release"    // broker: Release; end the attempt
	ControlRelay      ControlType = "relay"      // both: Relay; one signalling message of a terminal
	ControlDrain      ControlType = "drain"      // broker: take nothing new
	ControlPrefetch   ControlType = "prefetch"   // broker, with ID: Fetch; answered confirm once the loading has begun, or refuse
	ControlThumbnail  ControlType = "thumbnail"  // broker, with ID: Fetch; edge, same ID: Image, or refuse
	ControlAccept     ControlType = "accept"     // edge, with ID: Accept; it has taken a terminal's task itself (A2); answered instruct, same ID, or refuse
	ControlForward    ControlType = "forward"    // edge, with ID: Forward; it is busy (A4); answered forwarded or refuse, same ID
	ControlForwarded  ControlType = "forwarded"  // broker: Pending; the terminal follows the task there
	ControlView       ControlType = "view"       // edge: View, when it changed; broker to the edge of a shadow: the same
	ControlPromote    ControlType = "promote"    // broker, with ID: Promote; a shadow takes over; answered confirm or refuse
	ControlConfigure  ControlType = "configure"  // broker: Node; how an operator has the edge from now on
	ControlBudget     ControlType = "budget"     // broker, with ID: Budget; what a running attempt may use from now on (B5); answered confirm or refuse
	ControlMove       ControlType = "move"       // broker, with ID: Move; its terminal goes to another edge (B8); answered confirm once it was told, or refuse
	ControlStay       ControlType = "stay"       // broker: Move; the task stays where it is
	ControlMoved      ControlType = "moved"      // edge: Moved; how a handover went
	ControlError      ControlType = "error"      // both: Problem
)

// Control is a message on the link between an edge and the broker.
type Control struct {
	Type        ControlType  `json:"type"`
	ID          string       `json:"id,omitempty"`
	Register    *Register    `json:"register,omitempty"`
	Registered  *Registered  `json:"registered,omitempty"`
	Heartbeat   *Heartbeat   `json:"heartbeat,omitempty"`
	Instruction *Instruction `json:"instruction,omitempty"`
	Update      *Update      `json:"update,omitempty"`
	Release     *Release     `json:"release,omitempty"`
	Relay       *Relay       `json:"relay,omitempty"`
	Problem     *Problem     `json:"problem,omitempty"`
	Fetch       *Fetch       `json:"fetch,omitempty"`
	Image       *Thumbnail   `json:"image,omitempty"`
	Accept      *Accept      `json:"accept,omitempty"`
	Forward     *Forward     `json:"forward,omitempty"`
	Pending     *Pending     `json:"pending,omitempty"`
	View        *ViewReport  `json:"view,omitempty"`
	Promote     *Promote     `json:"promote,omitempty"`
	Node        *Node        `json:"node,omitempty"`
	Budget      *SetBudget   `json:"budget,omitempty"`
	Move        *Move        `json:"move,omitempty"`
	Moved       *MoveReport  `json:"moved,omitempty"`
}

// Accept is a task that an edge has taken from a terminal itself. Its resources are held in the ledger already; the broker
// gives it a fencing token and what an Instruction has beyond the request. A broker that knows no room for it, or the
// idempotency key of a task that has another place, refuses, and the edge lets go.
type Accept struct {
	Key     string      `json:"key" jsonschema:"description=idempotency key of the request"`
	Task    TaskID      `json:"task"`
	Attempt AttemptID   `json:"attempt"`
	GPU     int         `json:"gpu,omitempty"`
	Request TaskRequest `json:"request"`
	Creator string      `json:"creator"`
	Zone    string      `json:"zone,omitempty" jsonschema:"description=of the terminal by its token"`
	Urgent  bool        `json:"urgent,omitempty" jsonschema:"description=the token has the right to urgent requests"`
}

// Forward is a request that an edge was too busy for. The broker looks for another node, which is not this edge.
type Forward struct {
	Key     string      `json:"key"`
	Task    TaskID      `json:"task"`
	Request TaskRequest `json:"request"`
	Creator string      `json:"creator"`
	Zone    string      `json:"zone,omitempty"`
	Address string      `json:"address,omitempty" jsonschema:"description=the terminal's network address as the edge saw it"`
	Urgent  bool        `json:"urgent,omitempty"`
	Reason  string      `json:"reason" jsonschema:"description=why the edge did not take it"`
}

// ViewReport is the view state of a session, from its edge by way of the broker to its shadow, and for the page that
// comes back to a session whose edge was lost.
type ViewReport struct {
	Task     TaskID          `json:"task"`
	Attempt  AttemptID       `json:"attempt"`
	Revision int64           `json:"revision"`
	View     json.RawMessage `json:"view" jsonschema:"description=a ViewState of at most MaxViewReport bytes"`
}

// MaxViewReport bounds ViewReport.View, bytes.
const MaxViewReport = 64 << 10

// Promote makes a shadow the session: it takes terminals from now on, with the fencing token of Attempt.
type Promote struct {
	Task    TaskID          `json:"task"`
	Attempt Attempt         `json:"attempt"`
	View    json.RawMessage `json:"view,omitempty" jsonschema:"description=the newest ViewState that is known"`
	// Ran is what is known of the task from the places where it has run, where that is newer than the instruction's.
	Ran *Ran `json:"ran,omitempty"`
}

// Fetch names a series for an edge to load ahead of a task, or to make a thumbnail of.
type Fetch struct {
	Series SeriesRef    `json:"series"`
	Source SourceAccess `json:"source"`
	// Side is the side of the square that a thumbnail fits into, pixels.
	Side int `json:"side,omitempty"`
}

// Thumbnail is a small picture of a series.
type Thumbnail struct {
	Format string `json:"format" jsonschema:"description=media type"`
	Data   []byte `json:"data" jsonschema:"description=at most MaxThumbnail bytes"`
}

// MaxThumbnail bounds the bytes of a thumbnail, MaxThumbnailSide its side in pixels.
const (
	MaxThumbnail     = 128 << 10
	MaxThumbnailSide = 256
)

// MaxControl bounds a control message, bytes.
const MaxControl = 512 << 10

// Register introduces an edge, with its ledger, from which a lost pool is rebuilt.
type Register struct {
	Version int           `json:"version" jsonschema:"description=ControlVersion"`
	Node    Node          `json:"node"`
	Epoch   int64         `json:"epoch" jsonschema:"description=highest fencing token that the edge has seen"`
	Ledger  []LedgerEntry `json:"ledger,omitempty"`
	// Instance is made anew at every start of the edge. A second edge of the same ID is refused while the first has a link.
	Instance string `json:"instance,omitempty"`
}

// LedgerEntry is an attempt that an edge holds.
type LedgerEntry struct {
	Task      TaskID    `json:"task"`
	Attempt   Attempt   `json:"attempt"`
	Type      TaskType  `json:"type"`
	Resources Resources `json:"resources"`
	State     TaskState `json:"state"`
	Creator   string    `json:"creator,omitempty"`
	// Request is what was asked for, so that a task can move after the pool was lost; parameters larger than
	// MaxLedgerParameters are left out.
	Request *TaskRequest `json:"request,omitempty"`
	Shadow  bool         `json:"shadow,omitempty" jsonschema:"description=it is kept ready to take over and is not the session itself"`
	// StartedAt is when the task began to run, on this edge or before it came here.
	StartedAt *time.Time `json:"startedAt,omitempty"`
}

// MaxLedgerParameters bounds the parameters of a request in a LedgerEntry, bytes.
const MaxLedgerParameters = 4 << 10

// Registered tells an edge how to go on.
type Registered struct {
	HeartbeatMs int64 `json:"heartbeatMs"`
	// TokenKeys are the Ed25519 public keys (base64) that verify terminals' tokens.
	TokenKeys [][]byte `json:"tokenKeys"`
	// Ended are attempts of the ledger that a newer fencing token has overruled: the edge ends them.
	Ended []AttemptID `json:"ended,omitempty"`
	// Node is the edge as an operator has it, where that is not as it registered.
	Node *Node `json:"node,omitempty"`
}

// Heartbeat keeps an edge in the pool and renews the leases of its ledger.
type Heartbeat struct {
	State    NodeState   `json:"state"`
	Load     Load        `json:"load"`
	Attempts []AttemptID `json:"attempts,omitempty" jsonschema:"description=the ledger's attempts; their leases are renewed"`
	// Volumes are the series whose volumes the edge has in memory or on disk, most recently used first, each as
	// VolumeKey names it; at most MaxVolumes.
	Volumes []string `json:"volumes,omitempty"`
	// Idle is for how long each session has had no input, milliseconds; sessions that are in use are left out.
	Idle map[AttemptID]int64 `json:"idle,omitempty"`
	// Rates are what each running attempt uses (B5).
	Rates map[AttemptID]Rates `json:"rates,omitempty"`
}

// IdleAfter is when a session without input counts as idle, milliseconds.
const IdleAfter = 30_000

// MaxVolumes bounds Heartbeat.Volumes.
const MaxVolumes = 256

// VolumeKey names a series among the volumes that edges hold, without its UID: 12 hexadecimal digits.
func VolumeKey(s SeriesRef) string {
	sum := sha256.Sum256([]byte(s.Source + " " + s.StudyInstanceUID + " " + s.SeriesInstanceUID))
	return hex.EncodeToString(sum[:6])
}

// Load is what a node measured since its last heartbeat.
type Load struct {
	GPUMilli int64 `json:"gpuMilli" jsonschema:"description=time that the render queue was busy in thousandths"`
	CPUMilli int64 `json:"cpuMilli" jsonschema:"description=processor time in thousandths of a core"`
	MemoryMB int64 `json:"memoryMB"`
	Sessions int64 `json:"sessions"`
}

// Instruction is the control instruction (A6): hold the resources, wait for that terminal, handle by type,
// and return the result to it.
type Instruction struct {
	Task      TaskID      `json:"task"`
	Attempt   Attempt     `json:"attempt"`
	Request   TaskRequest `json:"request"`
	Resources Resources   `json:"resources"`
	Creator   string      `json:"creator,omitempty"`
	// Source is where the study is and how to log in. It never reaches the terminal.
	Source     *SourceAccess `json:"source,omitempty"`
	ICEServers []ICEServer   `json:"iceServers,omitempty"`
	// WaitMs is how long the terminal may take to arrive; IdleMs ends a session without input; GraceMs is how
	// long a session waits for a terminal that is gone.
	WaitMs  int64 `json:"waitMs"`
	IdleMs  int64 `json:"idleMs"`
	GraceMs int64 `json:"graceMs"`
	// Shadow says that the study is loaded and the view kept in step, without pictures, until a Promote.
	Shadow bool `json:"shadow,omitempty"`
	// Moves says that the task is on its way here: with Shadow, its terminal may come and is sent pictures while it still
	// has the place that it leaves. Ran is what is known of it from there.
	Moves bool `json:"moves,omitempty"`
	Ran   *Ran `json:"ran,omitempty"`
	// Budget is what it may use to begin with, where that is not Resources alone.
	Budget *Budget `json:"budget,omitempty"`
	// ViewMs is how often the edge reports the view state at most (ControlView); 0 is never.
	ViewMs int64 `json:"viewMs,omitempty"`
}

// SourceAccess is a DICOMweb service (PS3.18) and how to log in there: with a credential for one study at the broker,
// with those of its configuration at a PACS. An edge that has a folder of the source's name reads that instead.
type SourceAccess struct {
	Name     string `json:"name"`
	DICOMweb string `json:"dicomweb" jsonschema:"description=root URL; a path alone is at the broker"`
	Bearer   string `json:"bearer,omitempty"`
	// Username and Password are for basic authentication (RFC 7617), where there is no Bearer.
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
	// CA are the PEM certificates of the authorities that are trusted for it instead of the system's; Certificate
	// and Key are the client's own, PEM.
	CA          string `json:"ca,omitempty"`
	Certificate string `json:"certificate,omitempty"`
	Key         string `json:"key,omitempty"`
	// TimeoutMs is how long the server may send nothing; 0 is the edge's default.
	TimeoutMs int64 `json:"timeoutMs,omitempty"`
}

// Update reports an attempt's state from its edge.
type Update struct {
	Task    TaskID    `json:"task"`
	Attempt AttemptID `json:"attempt"`
	State   TaskState `json:"state"`
	Reason  string    `json:"reason,omitempty"`
	Usage   *Usage    `json:"usage,omitempty"`
}

// Release ends an attempt. The edge ignores one whose fencing token is older than the attempt's own.
type Release struct {
	Task    TaskID    `json:"task"`
	Attempt AttemptID `json:"attempt"`
	Fencing int64     `json:"fencing"`
	State   TaskState `json:"state,omitempty" jsonschema:"description=what becomes of the task: finished where its terminal asked for the end"`
	Reason  string    `json:"reason,omitempty"`
	// Problem is what the terminal is told, where the reason alone does not say it (ProblemPreempted).
	Problem *Problem `json:"problem,omitempty"`
}

// Relay carries one signalling message of a terminal over the control link. The broker names each terminal
// connection; Closed says that the WebSocket is gone, which ends no session.
type Relay struct {
	Connection string          `json:"connection"`
	Attempt    AttemptID       `json:"attempt,omitempty" jsonschema:"description=on a connection's first message"`
	Signal     json.RawMessage `json:"signal,omitempty" jsonschema:"description=a Signal"`
	Closed     bool            `json:"closed,omitempty"`
}
