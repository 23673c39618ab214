package signaling

import "encoding/json"

// Channel is a WebRTC data channel of a session. Both sides create it negotiated with the id given here
// (RFC 8832 section 6), so that no message waits for an opening handshake.
type Channel struct {
	Label   string
	ID      uint16
	Ordered bool
	// MaxRetransmits is nil for a reliable channel.
	MaxRetransmits *uint16
}

var noRetransmits = uint16(0)

// The five channels.
var (
	ChannelInput   = Channel{Label: "input", ID: 0, MaxRetransmits: &noRetransmits}
	ChannelControl = Channel{Label: "control", ID: 1, Ordered: true}
	ChannelStamps  = Channel{Label: "stamps", ID: 2, MaxRetransmits: &noRetransmits}
	ChannelStill   = Channel{Label: "still", ID: 3, Ordered: true}
	ChannelBulk    = Channel{Label: "bulk", ID: 4, Ordered: true}

	Channels = []Channel{ChannelInput, ChannelControl, ChannelStamps, ChannelStill, ChannelBulk}
)

// MaxMessage bounds a message on any data channel, bytes, after which the sender is told and dropped.
const MaxMessage = 64 << 10

// Input is the newest absolute state of what the hand moves: page to edge on "input". Seq is the writer's
// one sequence over all channels. A field is applied only when no newer sequence number has written it, so
// a late drag never undoes a reset. The page repeats its last input until a stamp covers it.
type Input struct {
	Seq      uint64        `json:"seq"`
	Viewport ViewportPatch `json:"viewport"`
	// Active says that the hand is still on the picture (a button or finger is down): the edge does not
	// refine yet.
	Active bool `json:"active,omitempty"`
}

// RequestType is what the page asks on "control".
type RequestType string

// Requests.
const (
	RequestSetView    RequestType = "set-view"    // View, Seq
	RequestResetView  RequestType = "reset-view"  // Viewport id, Orientation, Seq; back to the preset and the standard view
	RequestResize     RequestType = "resize"      // Width, Height in device pixels
	RequestStill      RequestType = "still"       // send the lossless still of the present view state
	RequestRefresh    RequestType = "refresh"     // send a key frame
	RequestVisibility RequestType = "visibility"  // Hidden; a hidden page gets no pictures
	RequestTaskSubmit RequestType = "task-submit" // Task: a compute task on this session's data
	RequestTaskCancel RequestType = "task-cancel" // TaskID
	RequestFinish     RequestType = "finish"      // end the session and release its resources (A11)
	RequestDisplayed  RequestType = "displayed"   // Display: statistics of the page
	RequestOpenSeries RequestType = "open-series" // Series: show another series or part of this session's study or files
	RequestUpload     RequestType = "upload"      // Upload: files follow on "bulk", one transfer each
	RequestUploaded   RequestType = "uploaded"    // all files of the upload have been sent; answered by the event "received"
	RequestHandle     RequestType = "handle"      // TaskID, Handling: the user's choice after the event "choose"
	RequestArrived    RequestType = "arrived"     // at the target of a move: its picture is on the screen
	RequestStayed     RequestType = "stayed"      // Problem: at the place that a task was to leave: the target cannot be used
	RequestCheckpoint RequestType = "checkpoint"  // at the place that a compute task leaves: pause, and send a checkpoint (event "checkpoint")
)

// Request is a request of the page on "control". The answer is an Event of type "reply" with the same ID.
type Request struct {
	Type        RequestType  `json:"type"`
	ID          uint64       `json:"id"`
	Seq         uint64       `json:"seq,omitempty"`
	View        *ViewPatch   `json:"view,omitempty"`
	Viewport    string       `json:"viewport,omitempty"`
	Orientation Orientation  `json:"orientation,omitempty"`
	Width       int          `json:"width,omitempty"`
	Height      int          `json:"height,omitempty"`
	Hidden      bool         `json:"hidden,omitempty"`
	Task        *TaskRequest `json:"task,omitempty"`
	TaskID      TaskID       `json:"taskId,omitempty"`
	Display     *Display     `json:"display,omitempty"`
	Series      *SeriesRef   `json:"series,omitempty"`
	Upload      *Upload      `json:"upload,omitempty"`
	Handling    Handling     `json:"handling,omitempty"`
	Problem     *Problem     `json:"problem,omitempty"`
}

// Upload announces files that a terminal sends to its edge: each as a transfer on "bulk" whose header has the
// format application/octet-stream and an UploadMeta. An edge that has no room for them refuses the request.
type Upload struct {
	Files int   `json:"files" jsonschema:"minimum=1"`
	Bytes int64 `json:"bytes" jsonschema:"description=of all files"`
}

// UploadMeta is BulkHeader.Meta of a file that is uploaded.
type UploadMeta struct {
	Path string `json:"path" jsonschema:"description=of the file below what was dropped; only for messages to the one who sent it"`
}

// Received says what became of the files that a terminal sent: what series they hold, and what was left out.
type Received struct {
	Series []ReceivedSeries `json:"series"`
	// LeftOut are the files, at most MaxLeftOut of LeftOutCount, that can't be shown.
	LeftOut      []LeftOut `json:"leftOut,omitempty"`
	LeftOutCount int       `json:"leftOutCount,omitempty"`
}

// ReceivedSeries is a series among uploaded files.
type ReceivedSeries struct {
	Series            SeriesRef `json:"series"`
	PatientName       string    `json:"patientName"`
	PatientID         string    `json:"patientId"`
	StudyDate         string    `json:"studyDate,omitempty"`
	StudyDescription  string    `json:"studyDescription,omitempty"`
	SeriesDescription string    `json:"seriesDescription,omitempty"`
	Modality          string    `json:"modality"`
	Instances         int       `json:"instances"`
	Volume            bool      `json:"volume" jsonschema:"description=looks like a volume"`
	Reason            string    `json:"reason,omitempty" jsonschema:"description=why it does not"`
}

// MaxLeftOut bounds the files that are named as left out; the rest is counted.
const MaxLeftOut = 100

// LeftOut is a file that is not part of what is shown, and why.
type LeftOut struct {
	Name   string `json:"name" jsonschema:"description=path below the folder or the instance's UID"`
	Reason string `json:"reason"`
}

// Orientation is a standard view, named by where the camera stands. Anterior to inferior follow radiological custom: from
// the front and from the feet the patient's right is on the picture's left; head or, from feet and head, the
// anterior side is up.
type Orientation string

// The six standard views.
const (
	Anterior  Orientation = "anterior"
	Posterior Orientation = "posterior"
	Left      Orientation = "left"
	Right     Orientation = "right"
	Superior  Orientation = "superior"
	Inferior  Orientation = "inferior"
)

// Display is what the page measured since its last report.
type Display struct {
	PicturesPerSecond float64 `json:"picturesPerSecond"`
	MotionToPhotonMs  float64 `json:"motionToPhotonMs,omitempty"`
	DroppedPictures   int64   `json:"droppedPictures,omitempty"`
}

// EventType is what the edge tells on "control".
type EventType string

// Events.
const (
	EventReply        EventType = "reply"         // ID; Problem where the request failed
	EventReady        EventType = "ready"         // Session, View: the channel is open; the session may still load
	EventLoading      EventType = "loading"       // Loading
	EventLoaded       EventType = "loaded"        // Patients, Loading: volumes are complete
	EventView         EventType = "view"          // View: a new revision that this page did not cause by input alone
	EventTaskProgress EventType = "task-progress" // TaskID, Progress
	EventTaskDone     EventType = "task-done"     // TaskID, Transfer of the result on "bulk", or Problem
	EventNotice       EventType = "notice"        // Problem: something the user should know, the session goes on
	EventEnding       EventType = "ending"        // Problem: the session ends
	EventReceived     EventType = "received"      // Received: the uploaded files have been looked at; the largest volume opens by itself
	EventChoose       EventType = "choose"        // TaskID, Choices: the user is asked how the task is to be handled (A9)
	EventTaskWaiting  EventType = "task-waiting"  // TaskID, Reason: a task is deferred, or waits for its turn
	EventTaskStarted  EventType = "task-started"  // TaskID, Handling: it runs; on a task of its own behind the last byte of its input
	EventMove         EventType = "move"          // Grant, Reason: the task is to go on at another edge; this one goes on until it does
	EventStay         EventType = "stay"          // Reason: it is not; what the terminal has begun there is to be left
	EventCheckpoint   EventType = "checkpoint"    // Transfer on "bulk", Progress: the compute task is paused, and this is what it goes on from
)

// Event is an answer or an event of the edge on "control".
type Event struct {
	Type     EventType    `json:"type"`
	ID       uint64       `json:"id,omitempty"`
	Problem  *Problem     `json:"problem,omitempty"`
	Session  *SessionInfo `json:"session,omitempty"`
	View     *ViewState   `json:"view,omitempty"`
	Loading  *Loading     `json:"loading,omitempty"`
	Patients []SeriesInfo `json:"patients,omitempty"`
	TaskID   TaskID       `json:"taskId,omitempty"`
	Progress float64      `json:"progress,omitempty" jsonschema:"description=0 to 1"`
	Transfer uint32       `json:"transfer,omitempty" jsonschema:"description=BulkHeader.Transfer of the result"`
	Received *Received    `json:"received,omitempty"`
	Choices  []Handling   `json:"choices,omitempty"`
	Handling Handling     `json:"handling,omitempty"`
	Reason   string       `json:"reason,omitempty" jsonschema:"description=in words"`
	Grant    *Grant       `json:"grant,omitempty"`
}

// SessionInfo describes the running session.
type SessionInfo struct {
	Task     TaskID `json:"task"`
	Node     NodeID `json:"node"`
	Renderer string `json:"renderer"`
	// Fallback says why the reference renderer runs instead of OpenGL; empty where OpenGL renders.
	Fallback string       `json:"fallback,omitempty"`
	Codec    string       `json:"codec"`
	Encoder  string       `json:"encoder"`
	Presets  []PresetInfo `json:"presets"`
}

// PresetInfo describes a preset that the edge offers.
type PresetInfo struct {
	Name       string   `json:"name"`
	Label      string   `json:"label"`
	Mode       ViewMode `json:"mode"`
	Modalities []string `json:"modalities" jsonschema:"description=DICOM modalities it is made for"`
	Window     Window   `json:"window" jsonschema:"description=its own range"`
}

// Loading is progress of a series.
type Loading struct {
	Slices      int    `json:"slices" jsonschema:"description=slices that are in place"`
	TotalSlices int    `json:"totalSlices" jsonschema:"description=0 while unknown"`
	Bytes       int64  `json:"bytes"`
	TotalBytes  int64  `json:"totalBytes" jsonschema:"description=0 while unknown"`
	Stage       string `json:"stage"`
	// Preview says that the picture shows a coarse volume while the rest arrives.
	Preview bool `json:"preview,omitempty"`
}

// SeriesInfo is whose series it is and what the volume is like. Every viewport shows the identity of
// exactly the series that it shows.
type SeriesInfo struct {
	Series            SeriesRef  `json:"series"`
	PatientName       string     `json:"patientName" jsonschema:"description=family^given^middle^prefix^suffix"`
	PatientID         string     `json:"patientId"`
	PatientBirthDate  string     `json:"patientBirthDate,omitempty" jsonschema:"description=YYYYMMDD"`
	PatientSex        string     `json:"patientSex,omitempty"`
	StudyDate         string     `json:"studyDate,omitempty" jsonschema:"description=YYYYMMDD"`
	AccessionNumber   string     `json:"accessionNumber,omitempty"`
	StudyDescription  string     `json:"studyDescription,omitempty"`
	SeriesDescription string     `json:"seriesDescription,omitempty"`
	Modality          string     `json:"modality"`
	Size              [3]int     `json:"size" jsonschema:"description=columns; rows; slices"`
	SpacingMm         [3]float64 `json:"spacingMm"`
	Center            Point      `json:"center" jsonschema:"description=middle of the volume in LPS millimetres"`
	DiagonalMm        float64    `json:"diagonalMm"`
	Min               float64    `json:"min"`
	Max               float64    `json:"max"`
	Unit              string     `json:"unit,omitempty" jsonschema:"description=HU for CT"`
	Warnings          []Warning  `json:"warnings,omitempty"`
	// Unplaced says that nothing tells how the volume lies in the patient: left and right are not known, and no
	// letters may be shown.
	Unplaced bool `json:"unplaced,omitempty"`
	// LossySource says how the source images were compressed with loss, where they were (0028,2110).
	LossySource string `json:"lossySource,omitempty"`
	// Parts are the stacks and single images that the series was split into, where there is more than one.
	// Series.Part says which of them this is.
	Parts []PartInfo `json:"parts,omitempty"`
	// TimePoints are those of a 4D series; empty for 3D.
	TimePoints []TimePointInfo `json:"timePoints,omitempty"`
	// Images is the number of images of a series that is no volume and is shown with the mode image; Why says why
	// it is none.
	Images int    `json:"images,omitempty"`
	Why    string `json:"why,omitempty"`
	// LeftOut are the files of the series, at most MaxLeftOut of LeftOutCount, that could not be used.
	LeftOut      []LeftOut `json:"leftOut,omitempty"`
	LeftOutCount int       `json:"leftOutCount,omitempty"`
}

// Warning is something about a volume that people should know.
type Warning struct {
	Code   string  `json:"code" jsonschema:"description=what kind it is; for programs"`
	Text   string  `json:"text"`
	Amount float64 `json:"amount" jsonschema:"description=in the unit that the text names"`
	// Picture says that the picture itself shows something that was not measured there: a page must not hide it.
	Picture bool `json:"picture,omitempty"`
}

// PartInfo is one of the parts that a series was split into.
type PartInfo struct {
	Part   int    `json:"part" jsonschema:"description=SeriesRef.part that opens it"`
	Name   string `json:"name" jsonschema:"description=what tells it from the others"`
	Slices int    `json:"slices"`
	Volume bool   `json:"volume"`
	Reason string `json:"reason,omitempty" jsonschema:"description=why it is no volume"`
}

// TimePointInfo is a time point of a 4D series.
type TimePointInfo struct {
	Label string  `json:"label"`
	Ms    float64 `json:"ms" jsonschema:"description=after the first one, where the series says so"`
}

// Quality is what a picture is.
type Quality string

// The qualities, from least to most.
const (
	QualityReduced  Quality = "reduced"  // fewer samples or pixels, while the hand moves
	QualityLossy    Quality = "lossy"    // rendered in full, encoded with loss
	QualityLossless Quality = "lossless" // the still
)

// Stamp belongs to one picture of the stream, edge to page on "stamps".
type Stamp struct {
	RTP      uint32 `json:"rtp" jsonschema:"description=RTP timestamp of the picture (RFC 3550)"`
	Revision uint64 `json:"rev"`
	// Seq is the highest sequence number of this peer whose change the picture shows.
	Seq     uint64     `json:"seq"`
	Width   int        `json:"w" jsonschema:"description=encoded pixels"`
	Height  int        `json:"h"`
	Quality Quality    `json:"quality"`
	Scale   float64    `json:"scale" jsonschema:"description=rendered pixels per encoded pixel along one side"`
	StepMm  float64    `json:"stepMm"`
	Times   StageTimes `json:"times"`
	Bitrate int        `json:"bitrate" jsonschema:"description=target of the encoder in bits per second"`
	Key     bool       `json:"key,omitempty"`
	// Cameras are what the picture was rendered with, in the order of the viewports, so that overlays belong
	// to exactly what is on the screen.
	Cameras []Camera `json:"cameras,omitempty"`
}

// StageTimes are milliseconds that a picture took.
type StageTimes struct {
	WaitMs    float64 `json:"wait" jsonschema:"description=from the newest input it shows to the start of rendering"`
	RenderMs  float64 `json:"render"`
	ConvertMs float64 `json:"convert"`
	EncodeMs  float64 `json:"encode"`
}

// StillHeader announces a lossless still on "still"; its bytes follow in binary messages. A header that
// comes before all bytes of the last still have come abandons that one.
type StillHeader struct {
	Revision uint64 `json:"rev"`
	Seq      uint64 `json:"seq"`
	Width    int    `json:"w"`
	Height   int    `json:"h"`
	Format   string `json:"format" jsonschema:"description=media type of the bytes"`
	Bytes    int    `json:"bytes"`
	SHA256   string `json:"sha256" jsonschema:"description=of the bytes in lower-case hexadecimal"`
	// SinceInputMs is how long after the last input the still was ready to be sent.
	SinceInputMs float64  `json:"sinceInputMs"`
	RenderMs     float64  `json:"renderMs"`
	EncodeMs     float64  `json:"encodeMs"`
	Cameras      []Camera `json:"cameras,omitempty"`
}

// BulkHeader announces a transfer on "bulk"; it comes as text, and chunks follow as binary messages: transfer (4 bytes), index (4),
// CRC-32 IEEE of the payload (4), all big endian, then the payload. SHA256 is of the whole.
type BulkHeader struct {
	Transfer uint32          `json:"transfer"`
	Task     TaskID          `json:"task,omitempty"`
	Format   string          `json:"format" jsonschema:"description=media type of the whole"`
	Bytes    int64           `json:"bytes"`
	Chunks   int             `json:"chunks"`
	SHA256   string          `json:"sha256"`
	Meta     json.RawMessage `json:"meta,omitempty"`
}

// BulkChunkHeader is the length of a chunk's own header, bytes.
const BulkChunkHeader = 12

// HistogramParameters are the parameters of the data-computation operation "histogram".
type HistogramParameters struct {
	Series SeriesRef `json:"series"`
	// Box bounds the voxels counted, as first and last index along columns, rows and slices, both included;
	// absent, all are.
	Box  *[2][3]int `json:"box,omitempty"`
	Bins int        `json:"bins,omitempty" jsonschema:"minimum=1,maximum=65536,description=256 where absent"`
	// Percentiles asked for, 0 to 100.
	Percentiles []float64 `json:"percentiles,omitempty" jsonschema:"maxItems=64"`
}

// Histogram is the result of the operation "histogram". Bin i counts values from Min + i*BinWidth up to, not including,
// the next; the last includes Max.
type Histogram struct {
	Voxels      int64     `json:"voxels"`
	Min         float64   `json:"min"`
	Max         float64   `json:"max"`
	Mean        float64   `json:"mean"`
	StdDev      float64   `json:"stdDev" jsonschema:"description=population standard deviation"`
	BinWidth    float64   `json:"binWidth"`
	Counts      []int64   `json:"counts"`
	Percentiles []float64 `json:"percentiles" jsonschema:"description=exact values in the order asked for (nearest rank)"`
	// Window is the auto-window: the 1st to 99th percentile of what is no background.
	Window Window  `json:"window"`
	RunMs  float64 `json:"runMs"`
}

// RenderingParameters are the parameters of a rendering task.
type RenderingParameters struct {
	// View is what the session opens with, for example that of a session which is resumed or shared. A view
	// that does not fit the series is left aside for the standard one.
	View *ViewState `json:"view,omitempty"`
	// Width and Height are the size of pictures that the terminal wants, pixels, until it asks for another one
	// (RequestResize). Without them the first picture may have another size than the terminal has room for.
	Width  int `json:"width,omitempty"`
	Height int `json:"height,omitempty"`
	// Upload says that the terminal sends the files to show, which it announces with RequestUpload.
	Upload bool `json:"upload,omitempty"`
}
