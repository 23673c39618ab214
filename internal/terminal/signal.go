package terminal

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"

	"github.com/gorilla/websocket"
	"github.com/pion/webrtc/v4"

	"github.com/tomocast/tomocast/signaling"
)

// maxEarly bounds the candidates that wait for the description that they belong to.
const maxEarly = 64

// greet opens a signalling connection and says hello, with the resume secret where there is one.
func (s *Session) greet(ctx context.Context) (signaling.Signal, error) {
	dialer := websocket.Dialer{Proxy: http.ProxyFromEnvironment}
	if s.options.HTTP != nil {
		if t, ok := s.options.HTTP.Transport.(*http.Transport); ok {
			dialer.Proxy, dialer.TLSClientConfig = t.Proxy, tlsConfig(t)
		}
	}
	ws, res, err := dialer.DialContext(ctx, s.url, nil)
	if err != nil {
		if res != nil {
			return signaling.Signal{}, fmt.Errorf("open signalling: %w (status %s)", err, res.Status)
		}
		return signaling.Signal{}, fmt.Errorf("open signalling: %w", err)
	}
	conn := signaling.NewConn(ws, signaling.MaxSignal)
	stop := context.AfterFunc(ctx, func() { conn.Close(websocket.CloseGoingAway, "") })
	defer stop()
	s.mu.Lock()
	resume := s.resume
	s.mu.Unlock()
	var welcome signaling.Signal
	err = conn.Send(signaling.Signal{Type: signaling.SignalHello, Token: s.token, Resume: resume})
	if err == nil {
		err = conn.Receive(&welcome)
	}
	switch {
	case err != nil:
		err = fmt.Errorf("greet the edge: %w", errors.Join(ctx.Err(), err))
	case welcome.Type == signaling.SignalError && welcome.Problem != nil:
		err = welcome.Problem
	case welcome.Type != signaling.SignalWelcome:
		err = fmt.Errorf("greet the edge: it answered %.40q, not welcome", string(welcome.Type))
	}
	if err != nil {
		conn.Close(websocket.CloseNormalClosure, "")
		return welcome, err
	}
	s.mu.Lock()
	old := s.conn
	s.conn, s.peer = conn, welcome.Peer
	if welcome.Resume != "" {
		s.resume = welcome.Resume
	}
	s.mu.Unlock()
	if old != nil {
		old.Close(websocket.CloseGoingAway, "")
	}
	return welcome, nil
}

func tlsConfig(t *http.Transport) *tls.Config {
	if t.TLSClientConfig == nil {
		return nil
	}
	return t.TLSClientConfig.Clone()
}

// startListening takes what comes over the newest signalling connection from now on.
func (s *Session) startListening() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if conn := s.conn; conn != nil && s.ctx.Err() == nil { // else Close is waiting already
		s.work.Go(func() { s.listen(conn) })
	}
}

// listen takes signals until the connection ends, which ends no session.
func (s *Session) listen(conn *signaling.Conn) {
	defer conn.Close(websocket.CloseNormalClosure, "")
	for {
		var in signaling.Signal
		err := conn.Receive(&in)
		var malformed *signaling.MessageError
		if errors.As(err, &malformed) {
			continue
		}
		if err != nil {
			s.answer(fmt.Errorf("signalling ended: %w", err))
			s.mu.Lock()
			cut := s.conn == conn && s.ctx.Err() == nil
			s.mu.Unlock()
			if cut && s.options.OnCut != nil {
				s.options.OnCut()
			}
			return
		}
		switch in.Type {
		case signaling.SignalAnswer:
			err := s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: in.SDP})
			if err != nil {
				err = fmt.Errorf("answer of the edge: %w", err)
			}
			s.answer(err)
			s.addEarly()
		case signaling.SignalCandidate:
			s.remoteCandidate(in.Candidate)
		case signaling.SignalError:
			if in.Problem == nil {
				in.Problem = &signaling.Problem{Code: signaling.ProblemInternal, Title: "The edge names no problem"}
			}
			if !s.answer(in.Problem) {
				s.putEvent(signaling.Event{Type: signaling.EventNotice, Problem: in.Problem})
			}
		case signaling.SignalBye:
			s.cancel(fmt.Errorf("the edge said goodbye: %.200s", in.Reason))
		}
	}
}

// answer ends the offer that is under way, where there is one.
func (s *Session) answer(err error) bool {
	select {
	case pending := <-s.pending:
		pending <- err
		return true
	default:
		return false
	}
}

// offer sends an offer and waits until the answer is in place.
func (s *Session) offer(ctx context.Context, o *webrtc.OfferOptions) error {
	s.offering.Lock()
	defer s.offering.Unlock()
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	s.mu.Lock()
	conn := s.conn
	s.hold = true // gathering begins before the offer is sent
	s.mu.Unlock()
	defer s.release()
	if conn == nil {
		return errors.New("no signalling connection: resume first")
	}
	description, err := s.pc.CreateOffer(o)
	if err == nil {
		err = s.pc.SetLocalDescription(description)
	}
	if err != nil {
		return fmt.Errorf("make offer: %w", err)
	}
	result := make(chan error, 1)
	s.pending <- result
	err = conn.Send(signaling.Signal{Type: signaling.SignalOffer, SDP: description.SDP})
	if err == nil {
		s.release()
		select {
		case err = <-result:
			return err
		case <-ctx.Done():
			err = ctx.Err()
		case <-s.ctx.Done():
			err = context.Cause(s.ctx)
		}
	}
	select {
	case <-s.pending: // it is no longer waited for
	default:
	}
	return fmt.Errorf("offer to the edge: %w", err)
}

// RestartICE looks for a new path (RFC 8445 section 9) and returns when the edge has answered; data channels and
// stream go on.
func (s *Session) RestartICE(ctx context.Context) error {
	if err := s.offer(ctx, &webrtc.OfferOptions{ICERestart: true}); err != nil {
		return fmt.Errorf("restart ICE: %w", err)
	}
	return nil
}

// Renegotiate offers again what was offered.
func (s *Session) Renegotiate(ctx context.Context) error {
	if err := s.offer(ctx, nil); err != nil {
		return fmt.Errorf("renegotiate: %w", err)
	}
	return nil
}

// Resume opens a new signalling connection in place of one that is gone, with the secret that the edge gave. Where the
// path of the media is gone as well, [Session.RestartICE] follows.
func (s *Session) Resume(ctx context.Context) error {
	if _, err := s.greet(ctx); err != nil {
		return fmt.Errorf("resume session: %w", err)
	}
	s.startListening()
	return nil
}

// localCandidate tells the edge a candidate; nil is the end of them.
func (s *Session) localCandidate(c *webrtc.ICECandidate) {
	out := signaling.Signal{Type: signaling.SignalCandidate}
	if c != nil {
		if s.options.TCPOnly && c.Protocol != webrtc.ICEProtocolTCP {
			return
		}
		init := c.ToJSON()
		out.Candidate = &signaling.ICECandidate{
			Candidate: init.Candidate, SDPMid: init.SDPMid, SDPMLineIndex: init.SDPMLineIndex, UsernameFragment: init.UsernameFragment,
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hold {
		s.held = append(s.held, out)
	} else if s.conn != nil {
		_ = s.conn.Send(out) // without signalling, the next offer brings new candidates
	}
}

// release sends the candidates that were held back.
func (s *Session) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold = false
	for _, out := range s.held {
		if s.conn != nil {
			_ = s.conn.Send(out)
		}
	}
	s.held = nil
}

func (s *Session) remoteCandidate(c *signaling.ICECandidate) {
	if c == nil {
		return
	}
	init := webrtc.ICECandidateInit{
		Candidate: c.Candidate, SDPMid: c.SDPMid, SDPMLineIndex: c.SDPMLineIndex, UsernameFragment: c.UsernameFragment,
	}
	s.mu.Lock()
	if s.pc.RemoteDescription() == nil {
		if len(s.early) < maxEarly {
			s.early = append(s.early, init)
		}
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	_ = s.pc.AddICECandidate(init) // a candidate of no use leaves the others
}

func (s *Session) addEarly() {
	s.mu.Lock()
	early := s.early
	s.early = nil
	s.mu.Unlock()
	for _, c := range early {
		_ = s.pc.AddICECandidate(c)
	}
}
