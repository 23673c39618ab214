package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/signaling"
)

// maxMessage bounds what is published: a control message and what surrounds it.
const maxMessage = signaling.MaxControl + 64<<10

// ErrNoLink: no broker holds a link to the node.
var ErrNoLink = errors.New("no broker holds a link to this node")

// Message is what one broker sends another. On the wire it is the node's name, a line feed and the payload.
type Message struct {
	Node    signaling.NodeID // the node whose link it is for; empty for the broker itself
	Payload []byte
}

// Link records that a broker holds the node's control link. The last one to say so holds it.
func (p *Pool) Link(ctx context.Context, node signaling.NodeID, broker string) error {
	err := checkName("broker", broker)
	if err == nil {
		err = checkName("node", string(node))
	}
	if err == nil {
		err = p.rdb.HSet(ctx, p.key("links"), string(node), broker).Err()
	}
	if err != nil {
		return fmt.Errorf("record the link to %.70q: %w", string(node), err)
	}
	return nil
}

// Unlink takes the record back, unless another broker holds the link by now.
func (p *Pool) Unlink(ctx context.Context, node signaling.NodeID, broker string) error {
	if err := p.run(ctx, unlinkScript, string(node), broker).Err(); err != nil {
		return fmt.Errorf("take back the link to %.70q: %w", string(node), err)
	}
	return nil
}

// Linked returns the broker that holds the node's control link, or ErrNoLink.
func (p *Pool) Linked(ctx context.Context, node signaling.NodeID) (string, error) {
	broker, err := p.rdb.HGet(ctx, p.key("links"), string(node)).Result()
	if err == redis.Nil {
		err = ErrNoLink
	}
	if err != nil {
		return "", fmt.Errorf("look up the link to %.70q: %w", string(node), err)
	}
	return broker, nil
}

// PublishTo sends a payload to the broker that holds the node's link. It arrives at most once. ErrNoLink where no
// broker has recorded the link, or the one that has does not listen.
func (p *Pool) PublishTo(ctx context.Context, node signaling.NodeID, payload []byte) error {
	b, err := encodeMessage(Message{Node: node, Payload: payload})
	if err != nil {
		return fmt.Errorf("send to node %.70q: %w", string(node), err)
	}
	v, err := p.run(ctx, publishScript, string(node), b).Slice()
	if err != nil {
		return fmt.Errorf("send to node %.70q: %w", string(node), err)
	}
	if v[0] == "" || len(v) == 2 && !p.heard(v[1]) {
		return fmt.Errorf("send to node %.70q: %w", string(node), ErrNoLink)
	}
	return nil
}

// Publish sends a payload to a broker itself, for example an answer. It arrives at most once; ErrNotFound where
// that broker does not listen.
func (p *Pool) Publish(ctx context.Context, broker string, payload []byte) error {
	b, err := encodeMessage(Message{Payload: payload})
	if err != nil {
		return fmt.Errorf("send to broker %.70q: %w", broker, err)
	}
	n, err := p.rdb.Publish(ctx, p.key("to", broker), b).Result()
	if err == nil && !p.heard(n) {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("send to broker %.70q: %w", broker, err)
	}
	return nil
}

// heard says whether a published message had a receiver. In a cluster the count is only of one server's
// subscribers, so there it cannot be told.
func (p *Pool) heard(receivers any) bool {
	if _, cluster := p.rdb.(*redis.ClusterClient); cluster {
		return true
	}
	n, ok := receivers.(int64)
	return !ok || n > 0
}

func encodeMessage(m Message) ([]byte, error) {
	if len(m.Payload) > maxMessage {
		return nil, fmt.Errorf("payload has %d bytes: at most %d", len(m.Payload), maxMessage)
	}
	return append([]byte(string(m.Node)+"\n"), m.Payload...), nil
}

// Subscription receives the messages for a broker.
type Subscription struct {
	messages chan Message
	stop     context.CancelFunc
	done     chan error // the subscription's end, once
}

// Subscribe receives what is sent to a broker, and to nodes whose links it holds, until the subscription is closed
// or ctx ends. It is in force when Subscribe returns. While Redis is away messages are lost; it subscribes again
// by itself.
func (p *Pool) Subscribe(ctx context.Context, broker string) (*Subscription, error) {
	if err := checkName("broker", broker); err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	pubsub := p.rdb.Subscribe(ctx, p.key("to", broker))
	if _, err := pubsub.Receive(ctx); err != nil {
		_ = pubsub.Close()
		return nil, fmt.Errorf("subscribe as broker %s: %w", broker, err)
	}
	ctx, stop := context.WithCancel(ctx)
	s := &Subscription{messages: make(chan Message, 256), stop: stop, done: make(chan error, 1)}
	in := pubsub.Channel(redis.WithChannelSize(256))
	go func() {
		defer close(s.messages)
		defer func() { s.done <- pubsub.Close() }()
		for {
			select {
			case <-ctx.Done():
				return
			case raw, ok := <-in:
				if !ok {
					return
				}
				node, payload, ok := strings.Cut(raw.Payload, "\n")
				if !ok {
					p.o.Logger.Warn("dropped a message between brokers that names no node", "bytes", len(raw.Payload))
					continue
				}
				select {
				case s.messages <- Message{Node: signaling.NodeID(node), Payload: []byte(payload)}:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return s, nil
}

// Messages is closed when the subscription ends. Who does not read it for long loses messages.
func (s *Subscription) Messages() <-chan Message { return s.messages }

// Close ends the subscription and waits for it. It is called once.
func (s *Subscription) Close() error {
	s.stop()
	return <-s.done
}
