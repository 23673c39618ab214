package stream_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// narrowLink carries UDP between terminals and an edge like a slow line: what comes from the edge waits in a queue of
// limited length and leaves at a given rate; beyond, packets are dropped. lose, where set, drops packets of video at random.
type narrowLink struct {
	front *net.UDPConn
	to    *net.UDPAddr
	rate  int // bit/s
	lose  float64

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	queue   chan packetTo
	mu      sync.Mutex
	cut     bool                    // nothing gets through
	backs   map[string]*net.UDPConn // by address of the terminal
	dropped int
}

type packetTo struct {
	data []byte
	to   *net.UDPAddr
}

func newNarrowLink(t *testing.T, to *net.UDPAddr, rate, queue int, lose float64) *narrowLink {
	front, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	l := &narrowLink{front: front, to: to, rate: rate, lose: lose, queue: make(chan packetTo, queue), backs: map[string]*net.UDPConn{}}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.work.Go(l.forth)
	l.work.Go(l.back)
	t.Cleanup(func() {
		l.cancel()
		front.Close()
		l.mu.Lock()
		for _, b := range l.backs {
			b.Close()
		}
		l.mu.Unlock()
		l.work.Wait()
	})
	return l
}

// forth carries what terminals send, at once.
func (l *narrowLink) forth() {
	buf := make([]byte, 2048)
	for {
		n, from, err := l.front.ReadFromUDP(buf)
		if err != nil {
			return
		}
		l.mu.Lock()
		back := l.backs[from.String()]
		if back == nil && l.ctx.Err() == nil {
			if back, err = net.DialUDP("udp4", nil, l.to); err == nil {
				l.backs[from.String()] = back
				l.work.Go(func() { l.enqueue(back, from) })
			}
		}
		cut := l.cut
		l.mu.Unlock()
		if back != nil && !cut {
			_, _ = back.Write(buf[:n])
		}
	}
}

// enqueue takes what the edge sends to one terminal.
func (l *narrowLink) enqueue(back *net.UDPConn, to *net.UDPAddr) {
	random := rand.New(rand.NewPCG(11, 12))
	buf := make([]byte, 2048)
	for {
		n, err := back.Read(buf)
		if err != nil {
			return
		}
		kind := buf[1] & 0x7f // payload type; 64 to 95 are RTCP (RFC 5761 section 4)
		video := n > 2 && buf[0]>>6 == 2 && (kind < 64 || kind > 95)
		if l.isCut() || (video && random.Float64() < l.lose) {
			l.drop()
			continue
		}
		select {
		case l.queue <- packetTo{append([]byte(nil), buf[:n]...), to}:
		default:
			l.drop()
		}
	}
}

func (l *narrowLink) isCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut
}

// setCut cuts the line or mends it.
func (l *narrowLink) setCut(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
}

func (l *narrowLink) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropped++
}

// back lets packets go at the rate of the line.
func (l *narrowLink) back() {
	free := time.Now() // when the line is free again
	for {
		select {
		case <-l.ctx.Done():
			return
		case p := <-l.queue:
			if now := time.Now(); free.Before(now) {
				free = now
			}
			free = free.Add(time.Duration(len(p.data)*8) * time.Second / time.Duration(l.rate))
			select {
			case <-time.After(time.Until(free)):
			case <-l.ctx.Done():
				return
			}
			_, _ = l.front.WriteToUDP(p.data, p.to)
		}
	}
}

var hostAndPort = regexp.MustCompile(` 127\.0\.0\.1 \d+ typ host`)

// behind makes the edge reachable through the link alone.
func (e *edge) behind(t *testing.T, rate, queue int, lose float64) *narrowLink {
	var edgeAt *net.UDPAddr
	for _, a := range e.transport.UDPAddresses() {
		if u := a.(*net.UDPAddr); u.IP.Equal(net.IPv4(127, 0, 0, 1)) {
			edgeAt = u
		}
	}
	if edgeAt == nil {
		t.Fatal("the edge does not listen on 127.0.0.1")
	}
	l := newNarrowLink(t, edgeAt, rate, queue, lose)
	at := fmt.Sprintf(" 127.0.0.1 %d typ host", l.front.LocalAddr().(*net.UDPAddr).Port)
	e.rewrite = func(s signaling.Signal, toTerminal bool) (signaling.Signal, bool) {
		if s.Type != signaling.SignalCandidate || s.Candidate == nil {
			return s, true
		}
		if !toTerminal || !hostAndPort.MatchString(s.Candidate.Candidate) {
			return s, false // the terminal is found by its checks alone
		}
		c := *s.Candidate
		c.Candidate = hostAndPort.ReplaceAllString(c.Candidate, at)
		s.Candidate = &c
		return s, !strings.Contains(c.Candidate, " tcp ")
	}
	return l
}

func TestBitrateFollowsANarrowLink(t *testing.T) {
	if testing.Short() {
		t.Skip("takes eight seconds")
	}
	t.Parallel()
	const rate, perSecond = 2_000_000, 30
	c := quietConfig()
	c.StartBitrate = 4_000_000
	e := newEdge(t, c)
	link := e.behind(t, rate, 64, 0)
	s, p := e.dial(terminal.Options{})

	random := rand.New(rand.NewPCG(21, 22))
	ticker := time.NewTicker(time.Second / perSecond)
	defer ticker.Stop()
	began := time.Now()
	sentAt := map[uint32]time.Time{}
	var sent, got int // in the last seconds
	var worst time.Duration
	key := true
	for time.Since(began) < 8*time.Second {
		select {
		case <-e.handler.keys:
			key = true
		case picture := <-s.Pictures():
			if time.Since(began) > 5*time.Second {
				got++
				worst = max(worst, picture.ReceivedAt.Sub(sentAt[picture.RTP]))
			}
		case <-ticker.C:
			stamp, err := p.WritePicture(vp8Picture(random, key, p.Bitrate()/8/perSecond), time.Since(began))
			if err != nil {
				t.Fatal(err)
			}
			key = false
			sentAt[stamp] = time.Now()
			if time.Since(began) > 5*time.Second {
				sent++
			}
		}
	}
	st := p.Stats()
	t.Logf("bitrate %d bit/s, %d packets dropped, last three seconds: %d of %d pictures, latest after %v",
		st.Bitrate, link.dropped, got, sent, worst)
	if st.Bitrate > rate*11/10 || st.Bitrate < rate/4 {
		t.Errorf("bitrate is %d bit/s on a link of %d", st.Bitrate, rate)
	}
	if got < sent*8/10 {
		t.Errorf("only %d of %d pictures came in the last three seconds", got, sent)
	}
	if len(e.handler.bitrates) < 3 {
		t.Errorf("the handler was told %d bitrates", len(e.handler.bitrates))
	}
}

func TestLostPacketsAreSentAgain(t *testing.T) {
	e := newEdge(t, quietConfig())
	e.codecs = []stream.Codec{stream.H264}
	link := e.behind(t, 50_000_000, 1024, 0.05)
	s, p := e.dial(terminal.Options{})
	random := rand.New(rand.NewPCG(31, 32))
	key, got := true, 0
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); got < 50 || p.Stats().Nacked == 0; {
		select {
		case <-e.handler.keys:
			key = true
		case picture := <-s.Pictures():
			got++
			if picture.Gap && !picture.Key {
				t.Fatal("a picture that refers to a lost one was handed over")
			}
		case <-ticker.C:
			if time.Now().After(deadline) {
				t.Fatalf("%d pictures came", got)
			}
			if _, err := p.WritePicture(h264Picture(random, key, 8000), sinceStart()); err != nil {
				t.Fatal(err)
			}
			key = false
		}
	}
	link.mu.Lock()
	defer link.mu.Unlock()
	t.Logf("%d packets lost, %d asked for again, %d pictures given up", link.dropped, p.Stats().Nacked, s.Stats().PicturesLost)
}

func TestLostConnectionComesBack(t *testing.T) {
	if testing.Short() {
		t.Skip("takes six seconds, the time after which a connection counts as lost")
	}
	t.Parallel()
	e := newEdge(t, quietConfig())
	link := e.behind(t, 100_000_000, 1024, 0)
	s, p := e.dial(terminal.Options{})
	flows(t, s, p, e)
	link.setCut(true)
	if receive(t, e.handler.up, "loss of the connection") {
		t.Fatal("connected a second time")
	}
	if _, err := p.WritePicture([]byte{0, 1}, 0); !errors.Is(err, stream.ErrNotConnected) {
		t.Errorf("picture without a connection: %v", err)
	}
	if err := p.SendEvent(signaling.Event{Type: signaling.EventNotice, ID: 5}); err != nil {
		t.Errorf("event without a connection: %v", err)
	}
	link.setCut(false)
	if err := s.RestartICE(within(t)); err != nil {
		t.Fatal(err)
	}
	if !receive(t, e.handler.up, "return of the connection") {
		t.Fatal("disconnected a second time")
	}
	if ev := receive(t, s.Events(), "event that waited"); ev.ID != 5 {
		t.Errorf("event %+v", ev)
	}
	flows(t, s, p, e)
}
