package terminal

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/tomocast/tomocast/signaling"
)

const (
	bulkPayload = signaling.MaxMessage - signaling.BulkChunkHeader
	// highWater is what may wait in the buffer of "bulk" before more is put there, lowWater when it goes on.
	highWater, lowWater = 4 << 20, 1 << 20
)

// File is a file to send to the edge.
type File struct {
	Path string // below the folder that it comes from, with slashes
	Data []byte
}

// Upload announces files, sends them one after the other, and says that all have been sent. What the edge made of them
// comes as the event "received". The session's task must have asked for an upload.
func (s *Session) Upload(ctx context.Context, files []File) error {
	announced := signaling.Upload{Files: len(files)}
	for _, f := range files {
		announced.Bytes += int64(len(f.Data))
	}
	if _, err := s.Request(ctx, signaling.Request{Type: signaling.RequestUpload, Upload: &announced}); err != nil {
		return fmt.Errorf("announce %d files: %w", len(files), err)
	}
	for i, f := range files {
		meta, err := json.Marshal(signaling.UploadMeta{Path: f.Path})
		if err != nil {
			return fmt.Errorf("encode path: %w", err)
		}
		h := signaling.BulkHeader{Transfer: s.transfer.Add(1), Format: "application/octet-stream", Meta: meta}
		if err := s.SendBulk(ctx, h, f.Data); err != nil {
			return fmt.Errorf("send file %d of %d: %w", i+1, len(files), err)
		}
	}
	if _, err := s.Request(ctx, signaling.Request{Type: signaling.RequestUploaded}); err != nil {
		return fmt.Errorf("end the upload: %w", err)
	}
	return nil
}

// SendBulk sends one transfer on "bulk". Bytes and Chunks of the header, and SHA256 where it is empty, are filled in.
// Calls must not overlap.
func (s *Session) SendBulk(ctx context.Context, h signaling.BulkHeader, data []byte) error {
	h.Bytes, h.Chunks = int64(len(data)), (len(data)+bulkPayload-1)/bulkPayload
	if h.SHA256 == "" {
		sum := sha256.Sum256(data)
		h.SHA256 = hex.EncodeToString(sum[:])
	}
	header, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("encode bulk header: %w", err)
	}
	if err := s.Send(signaling.ChannelBulk, header, true); err != nil {
		return fmt.Errorf("send bulk header: %w", err)
	}
	message := make([]byte, 0, signaling.MaxMessage)
	for i := range h.Chunks {
		part := data[i*bulkPayload : min((i+1)*bulkPayload, len(data))]
		message = binary.BigEndian.AppendUint32(message[:0], h.Transfer)
		message = binary.BigEndian.AppendUint32(message, uint32(i))
		message = binary.BigEndian.AppendUint32(message, crc32.ChecksumIEEE(part))
		message = append(message, part...)
		if err := s.drained(ctx); err != nil {
			return err
		}
		if err := s.Send(signaling.ChannelBulk, message, false); err != nil {
			return fmt.Errorf("send chunk %d of %d: %w", i+1, h.Chunks, err)
		}
	}
	return nil
}

// drained waits while too much waits in the buffer of "bulk".
func (s *Session) drained(ctx context.Context) error {
	channel := s.channels[signaling.ChannelBulk.ID]
	if channel.BufferedAmount() < highWater {
		return nil
	}
	low := make(chan struct{}, 1)
	channel.OnBufferedAmountLow(func() {
		select {
		case low <- struct{}{}:
		default:
		}
	})
	channel.SetBufferedAmountLowThreshold(lowWater)
	tick := time.NewTicker(time.Second) // it is told only when the buffer drains past the threshold after it was set
	defer tick.Stop()
	for channel.BufferedAmount() > lowWater {
		select {
		case <-low:
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ctx.Done():
			return context.Cause(s.ctx)
		}
		if channel.ReadyState() != webrtc.DataChannelStateOpen {
			return ErrClosed
		}
		if s.State() == webrtc.PeerConnectionStateFailed {
			return ErrLost
		}
	}
	return nil
}

// OpenSeries asks the edge to show another series or part of the session's study or files. It returns when the edge has
// begun; the event "loaded" follows, or a "notice" that says why it cannot be shown.
func (s *Session) OpenSeries(ctx context.Context, ref signaling.SeriesRef) error {
	_, err := s.Request(ctx, signaling.Request{Type: signaling.RequestOpenSeries, Series: &ref})
	return err
}

// Change sets fields of a viewport, each whole; nil removes one that is optional.
func (s *Session) Change(ctx context.Context, viewport string, fields map[string]any) error {
	patch := signaling.ViewportPatch{}
	for name, value := range fields {
		raw, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("encode %s: %w", name, err)
		}
		patch[name] = raw
	}
	id, err := json.Marshal(viewport)
	if err != nil {
		return fmt.Errorf("encode viewport: %w", err)
	}
	patch["id"] = id
	_, err = s.Request(ctx, signaling.Request{Type: signaling.RequestSetView, View: &signaling.ViewPatch{Viewports: []signaling.ViewportPatch{patch}}})
	return err
}

// ShowTimePoint shows a time point of a 4D series, from 0.
func (s *Session) ShowTimePoint(ctx context.Context, viewport string, n int) error {
	return s.Change(ctx, viewport, map[string]any{"timePoint": n})
}

// ShowImage shows one of the images of a series that is no volume, from 0.
func (s *Session) ShowImage(ctx context.Context, viewport string, n int) error {
	return s.Change(ctx, viewport, map[string]any{"image": n})
}
