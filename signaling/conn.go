package signaling

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Limits of every WebSocket connection.
const (
	// pingEvery keeps connections through proxies alive, which commonly cut idle ones after 60 s.
	pingEvery = 15 * time.Second
	// pongWithin is how long a peer may be silent before it counts as gone: two pings and some.
	pongWithin = 40 * time.Second
	// writeWithin bounds one message's way into the socket.
	writeWithin = 10 * time.Second
	// queueLength bounds what waits for a slow peer; one that falls further behind is cut off.
	queueLength = 256
)

// Close codes of our own (RFC 6455 section 7.4.2).
const (
	CloseUnauthorized = 4401
	CloseForbidden    = 4403
	CloseConflict     = 4409
)

// ErrClosed says that the connection was closed on this side.
var ErrClosed = errors.New("connection closed")

// ErrSlowPeer says that the peer did not take messages fast enough and was cut off.
var ErrSlowPeer = errors.New("peer does not take messages fast enough")

// Conn carries JSON messages over a WebSocket with bounded sizes, queues and times. Send may be called by
// several goroutines, Receive by one.
type Conn struct {
	ws    *websocket.Conn
	queue chan []byte

	once    sync.Once
	closing chan struct{}
	closure []byte // payload of the close frame
	done    chan struct{}
	pong    chan struct{} // a pong came, for Probe

	mu  sync.Mutex
	err error // why it ended
}

// NewConn takes over ws. Messages larger than maxMessage bytes end the connection. The caller calls Close.
func NewConn(ws *websocket.Conn, maxMessage int64) *Conn {
	c := &Conn{ws: ws, queue: make(chan []byte, queueLength), closing: make(chan struct{}), done: make(chan struct{}),
		pong: make(chan struct{}, 1)}
	ws.SetReadLimit(maxMessage)
	_ = ws.SetReadDeadline(time.Now().Add(pongWithin))
	ws.SetPongHandler(func(string) error {
		select {
		case c.pong <- struct{}{}:
		default:
		}
		return ws.SetReadDeadline(time.Now().Add(pongWithin))
	})
	go c.write()
	return c
}

// Send queues v as one JSON text message.
func (c *Conn) Send(v any) error {
	msg, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	return c.SendRaw(msg)
}

// SendRaw queues one JSON document as a text message. The caller leaves msg alone afterwards.
func (c *Conn) SendRaw(msg []byte) error {
	select {
	case <-c.closing:
		return c.cause()
	default:
	}
	select {
	case c.queue <- msg:
		return nil
	case <-c.closing:
		return c.cause()
	default:
		c.end(ErrSlowPeer, websocket.ClosePolicyViolation, ErrSlowPeer.Error())
		return ErrSlowPeer
	}
}

// Receive waits for the next message and decodes it into v. A message that is no JSON of v's form is an
// error of type *MessageError, after which the connection can go on; every other error is final.
func (c *Conn) Receive(v any) error {
	kind, msg, err := c.ws.ReadMessage()
	if err != nil {
		if errors.Is(err, websocket.ErrReadLimit) {
			c.end(fmt.Errorf("message larger than allowed: %w", err), websocket.CloseMessageTooBig, "message too big")
		} else {
			c.end(fmt.Errorf("read from peer: %w", err), websocket.CloseNormalClosure, "")
		}
		return c.cause()
	}
	_ = c.ws.SetReadDeadline(time.Now().Add(pongWithin))
	if kind != websocket.TextMessage {
		return &MessageError{Err: errors.New("binary message where JSON text is expected")}
	}
	if err := json.Unmarshal(msg, v); err != nil {
		return &MessageError{Err: err}
	}
	return nil
}

// MessageError is a message that could not be understood.
type MessageError struct{ Err error }

func (e *MessageError) Error() string { return fmt.Sprintf("malformed message: %v", e.Err) }

func (e *MessageError) Unwrap() error { return e.Err }

// Close sends what is queued, then a close frame with code and reason (at most 120 bytes are kept), and
// waits until the socket is closed. A second Close only waits.
func (c *Conn) Close(code int, reason string) {
	c.end(ErrClosed, code, reason)
	<-c.done
}

// Probe pings the peer and says whether it answers within d, sooner than the silence that ends the connection
// would tell. Receive must be waiting for messages meanwhile.
func (c *Conn) Probe(d time.Duration) bool {
	select {
	case <-c.pong:
	default:
	}
	if err := c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(d)); err != nil {
		return false
	}
	late := time.NewTimer(d)
	defer late.Stop()
	select {
	case <-c.pong:
		return true
	case <-c.closing:
	case <-late.C:
	}
	return false
}

// Hangup begins what Close does and does not wait for its end.
func (c *Conn) Hangup(code int, reason string) { c.end(ErrClosed, code, reason) }

// Done is closed when the connection has ended on this side.
func (c *Conn) Done() <-chan struct{} { return c.closing }

func (c *Conn) end(err error, code int, reason string) {
	c.once.Do(func() {
		if len(reason) > 120 { // a control frame holds 125 bytes, two of them the code
			reason = reason[:120]
		}
		c.mu.Lock()
		c.err = err
		c.closure = websocket.FormatCloseMessage(code, reason)
		c.mu.Unlock()
		close(c.closing)
	})
}

func (c *Conn) cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// write owns the sending half of the socket, and closes the socket when it ends.
func (c *Conn) write() {
	defer close(c.done)
	defer c.ws.Close()
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		select {
		case msg := <-c.queue:
			if !c.writeMessage(msg) {
				return
			}
		case <-ping.C:
			if err := c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeWithin)); err != nil {
				c.end(fmt.Errorf("ping peer: %w", err), websocket.CloseGoingAway, "")
				return
			}
		case <-c.closing:
			for {
				select {
				case msg := <-c.queue:
					if !c.writeMessage(msg) {
						return
					}
					continue
				default:
				}
				break
			}
			_ = c.ws.WriteControl(websocket.CloseMessage, c.closure, time.Now().Add(time.Second))
			return
		}
	}
}

func (c *Conn) writeMessage(msg []byte) bool {
	_ = c.ws.SetWriteDeadline(time.Now().Add(writeWithin))
	if err := c.ws.WriteMessage(websocket.TextMessage, msg); err != nil {
		c.end(fmt.Errorf("write to peer: %w", err), websocket.CloseGoingAway, "")
		return false
	}
	return true
}
