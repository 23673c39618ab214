package operation

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tomocast/tomocast/signaling"
)

// Checkpoint is a paused task on its way to another node (signaling.CheckpointFormat).
type Checkpoint struct {
	Handling signaling.Handling `json:"handling,omitempty"` // that the user has chosen
	Share    float64            `json:"share"`              // how far it had come, 0 to 1
	State    []byte             `json:"-"`                  // of the operation; empty: it begins anew
}

// A checkpoint is checkpointMagic, the length of the header (4 bytes, big endian), the header as JSON, the state, and the
// SHA-256 of all of that.
const (
	checkpointMagic = "TOMOCAST-CHECKPOINT-1\n"
	maxHeader       = 4 << 10
)

// header says what a checkpoint is of.
type header struct {
	Checkpoint
	Type      signaling.TaskType `json:"type"`
	Operation string             `json:"operation"`
	Request   string             `json:"request"` // digest of what the state depends on
}

// Encode makes a checkpoint of a task.
func (c Checkpoint) Encode(r *signaling.TaskRequest) ([]byte, error) {
	h, err := json.Marshal(header{c, r.Type, r.Operation, digest(r)})
	if err != nil {
		return nil, fmt.Errorf("encode the checkpoint: %w", err)
	}
	out := make([]byte, 0, len(checkpointMagic)+4+len(h)+len(c.State)+sha256.Size)
	out = append(out, checkpointMagic...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(h)))
	out = append(append(out, h...), c.State...)
	sum := sha256.Sum256(out)
	return append(out, sum[:]...), nil
}

// DecodeCheckpoint reads the checkpoint of a task. One that is damaged, of another format or of other work is refused by name,
// as a *signaling.Problem.
func DecodeCheckpoint(data []byte, r *signaling.TaskRequest) (Checkpoint, error) {
	h, err := readCheckpoint(data)
	switch {
	case err != nil:
	case h.Type != r.Type || h.Operation != r.Operation:
		err = fmt.Errorf("it is of the operation %.40q of type %.40q, the task is %s of type %s", h.Operation, string(h.Type), r.Operation, r.Type)
	case h.Request != digest(r):
		err = errors.New("it is of work with other parameters or on other data")
	case !(h.Share >= 0 && h.Share <= 1):
		err = fmt.Errorf("share is %g: 0 to 1", h.Share)
	case h.Handling != "" && !h.Handling.Valid():
		err = fmt.Errorf("handling %.20q is none", string(h.Handling))
	}
	if err != nil {
		return Checkpoint{}, RefuseCheckpoint(err)
	}
	return h.Checkpoint, nil
}

func readCheckpoint(data []byte) (header, error) {
	var h header
	rest, ok := bytes.CutPrefix(data, []byte(checkpointMagic))
	if !ok || len(rest) < 4+sha256.Size {
		return h, errors.New("it is no checkpoint, or one of another version")
	}
	whole := data[:len(data)-sha256.Size]
	if sum := sha256.Sum256(whole); !bytes.Equal(sum[:], data[len(whole):]) {
		return h, errors.New("it is damaged")
	}
	n := binary.BigEndian.Uint32(rest)
	rest = rest[4 : len(rest)-sha256.Size]
	if n > maxHeader || int(n) > len(rest) {
		return h, errors.New("its header is malformed")
	}
	if err := json.Unmarshal(rest[:n], &h); err != nil {
		return h, fmt.Errorf("its header is malformed: %w", err)
	}
	h.State = rest[n:]
	return h, nil
}

// digest names what the state of an operation depends on.
func digest(r *signaling.TaskRequest) string {
	var parameters bytes.Buffer
	if json.Compact(&parameters, r.Parameters) != nil { // none, or malformed: the operation says so
		parameters.Reset()
		parameters.Write(r.Parameters)
	}
	h := sha256.New()
	for _, part := range []any{parameters.String(), r.Series, r.Input} {
		raw, _ := json.Marshal(part) // strings and numbers: it cannot fail
		h.Write(raw)
		h.Write([]byte{'\n'})
	}
	return hex.EncodeToString(h.Sum(nil))
}
