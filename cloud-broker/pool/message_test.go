package pool_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/pool"
)

func TestMessagesBetweenBrokers(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		receive := func(s *pool.Subscription) pool.Message {
			p.t.Helper()
			select {
			case m, ok := <-s.Messages():
				if !ok {
					p.t.Fatal("the subscription ended")
				}
				return m
			case <-p.ctx.Done():
				p.t.Fatal("no message came")
			}
			return pool.Message{}
		}
		p.wantErr(p.PublishTo(p.ctx, "a", []byte("x")), pool.ErrNoLink)
		_, err := p.Linked(p.ctx, "a")
		p.wantErr(err, pool.ErrNoLink)

		one, err := p.Subscribe(p.ctx, "broker-1")
		p.must(err)
		two, err := p.Subscribe(p.ctx, "broker-2")
		p.must(err)
		p.must(p.Link(p.ctx, "a", "broker-1"))
		payload := []byte("{\"type\":\"instruct\"}\nand\x00more")
		p.must(p.PublishTo(p.ctx, "a", payload))
		if m := receive(one); m.Node != "a" || !bytes.Equal(m.Payload, payload) {
			p.t.Fatalf("received %+v", m)
		}

		// The edge connects to the other broker; the first one's late Unlink does no harm.
		p.must(p.Link(p.ctx, "a", "broker-2"))
		p.must(p.Unlink(p.ctx, "a", "broker-1"))
		if broker, err := p.Linked(p.ctx, "a"); err != nil || broker != "broker-2" {
			p.t.Fatalf("linked to %q, %v", broker, err)
		}
		p.must(p.PublishTo(p.ctx, "a", []byte("second")))
		if m := receive(two); string(m.Payload) != "second" {
			p.t.Fatalf("received %+v", m)
		}
		p.must(p.Publish(p.ctx, "broker-1", []byte("answer")))
		if m := receive(one); m.Node != "" || string(m.Payload) != "answer" {
			p.t.Fatalf("received %+v", m)
		}

		if err := p.PublishTo(p.ctx, "a", make([]byte, 2<<20)); err == nil {
			p.t.Fatal("published more than a message may have")
		}
		p.must(two.Close())
		if _, ok := <-two.Messages(); ok {
			p.t.Fatal("a message after Close")
		}
		// broker-2 has gone without a word; Redis notices in its own time.
		for err = nil; !errors.Is(err, pool.ErrNoLink); err = p.PublishTo(p.ctx, "a", []byte("x")) {
			if err != nil {
				p.t.Fatal(err)
			}
		}
		p.wantErr(p.Publish(p.ctx, "broker-2", []byte("x")), pool.ErrNotFound)
		p.must(p.Unlink(p.ctx, "a", "broker-2"))
		_, err = p.Linked(p.ctx, "a")
		p.wantErr(err, pool.ErrNoLink)
		p.must(one.Close())

		ctx, cancel := context.WithCancel(p.ctx)
		three, err := p.Subscribe(ctx, "broker-3")
		p.must(err)
		cancel()
		if _, ok := <-three.Messages(); ok {
			p.t.Fatal("a message after the context's end")
		}
		if _, err := p.Subscribe(p.ctx, "not a name"); err == nil {
			p.t.Fatal("subscribed under a bad name")
		}
	})
}
