package compute

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/internal/pages"
	"github.com/tomocast/tomocast/signaling"
)

// reserveWithin is how long room for the data is waited for.
const reserveWithin = 2 * time.Second

// input is the data that the terminal sends for its task: one transfer, exactly as the request announced it. One that was
// damaged or broken off can come again. It belongs to whoever holds the turn.
type input struct {
	task      signaling.TaskID
	announced signaling.TaskInput
	release   func() // of the room that was made for it

	turn  chan struct{} // capacity 1
	whole chan struct{} // closed when all of it has come; the turn stays taken
	buf   pages.Buffer
	data  []byte
	begun time.Time
}

// newInput makes room for the data.
func newInput(ctx context.Context, volumes Volumes, task signaling.TaskID, announced signaling.TaskInput) (*input, error) {
	ctx, cancel := context.WithTimeout(ctx, reserveWithin)
	defer cancel()
	release, err := volumes.Reserve(ctx, announced.Bytes)
	if err != nil {
		return nil, fmt.Errorf("make room for %d bytes of data: %w", announced.Bytes, err)
	}
	return &input{task: task, announced: announced, release: release, turn: make(chan struct{}, 1), whole: make(chan struct{})}, nil
}

// close wipes the data, once no terminal can send any more.
func (in *input) close() {
	clear(in.data)
	in.buf.Free()
	in.data = nil
	in.release()
}

// bulk takes a transfer of the terminal, or refuses one that is not what was announced. It is called from the goroutine of
// a peer.
func (c *conn) bulk(in *input, h signaling.BulkHeader) (stream.Transfer, error) {
	if err := in.fits(h); err != nil {
		p := &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The data is not what was announced", Detail: err.Error()}
		if h.Bytes > in.announced.Bytes {
			p.Code = signaling.ProblemTooLarge
		}
		c.tell(eventRefused{c, p})
		return nil, err
	}
	select {
	case <-in.whole:
		return nil, errors.New("the data of the task has come already")
	default:
	}
	select {
	case in.turn <- struct{}{}: // a connection that was replaced may still be about to let go
	case <-in.whole:
		return nil, errors.New("the data of the task has come already")
	case <-c.left:
		return nil, stream.ErrPeerClosed
	}
	data, err := in.buf.Take(int(h.Bytes))
	if err != nil {
		<-in.turn
		c.tell(eventRefused{c, &signaling.Problem{Code: signaling.ProblemTooLarge, Title: "No memory for the data", Detail: err.Error()}})
		return nil, err
	}
	in.data, in.begun = data, time.Now()
	return &transfer{conn: c, input: in}, nil
}

func (in *input) fits(h signaling.BulkHeader) error {
	switch {
	case h.Task != "" && h.Task != in.task:
		return errors.New("the transfer is for another task")
	case h.Bytes != in.announced.Bytes:
		return fmt.Errorf("%d bytes are to come, the request announced %d", h.Bytes, in.announced.Bytes)
	case h.Format != in.announced.Format:
		return fmt.Errorf("the format is %.100q, the request announced %.100q", h.Format, in.announced.Format)
	}
	return nil
}

// transfer takes the bytes. The stream ends one that brings more than its header says.
type transfer struct {
	conn  *conn
	input *input
	n     int
}

// Write takes the next bytes.
func (t *transfer) Write(part []byte) (int, error) {
	t.n += copy(t.input.data[t.n:], part)
	t.conn.progressed()
	return len(part), nil
}

// End says that all has come, or lets the turn go for another try.
func (t *transfer) End(err error) {
	if err != nil {
		<-t.input.turn
		t.conn.tell(eventBroken{t.conn, err})
		return
	}
	took := time.Since(t.input.begun)
	close(t.input.whole)
	t.conn.tell(eventWhole{took})
}
