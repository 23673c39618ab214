package terminal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"hash/crc32"
	"testing"

	"github.com/pion/webrtc/v4"

	"github.com/tomocast/tomocast/signaling"
)

func text(t *testing.T, v any) webrtc.DataChannelMessage {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return webrtc.DataChannelMessage{IsString: true, Data: b}
}

func binaryMessage(b []byte) webrtc.DataChannelMessage { return webrtc.DataChannelMessage{Data: b} }

func chunkOf(transfer, index uint32, payload []byte) webrtc.DataChannelMessage {
	b := binary.BigEndian.AppendUint32(nil, transfer)
	b = binary.BigEndian.AppendUint32(b, index)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(payload))
	return binaryMessage(append(b, payload...))
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func TestStillsAreChecked(t *testing.T) {
	s := &Session{stills: make(chan Still, 2)}
	receive := s.stillReceiver()
	good := []byte("pixels")
	receive(binaryMessage(good)) // without a header
	receive(text(t, signaling.StillHeader{Bytes: 100, SHA256: hash(good)}))
	receive(binaryMessage(good[:3])) // abandoned
	receive(text(t, signaling.StillHeader{Revision: 2, Bytes: len(good), SHA256: hash(good)}))
	receive(binaryMessage(good[:3]))
	receive(binaryMessage(good[3:]))
	receive(text(t, signaling.StillHeader{Bytes: len(good), SHA256: hash([]byte("other"))}))
	receive(binaryMessage(good))
	receive(text(t, signaling.StillHeader{Bytes: 3, SHA256: hash(good)}))
	receive(binaryMessage(good)) // more than announced
	receive(text(t, signaling.StillHeader{Bytes: -1}))
	receive(binaryMessage(good))
	if len(s.stills) != 1 {
		t.Fatalf("%d stills", len(s.stills))
	}
	if got := <-s.stills; got.Header.Revision != 2 || !bytes.Equal(got.Data, good) {
		t.Errorf("still %+v", got)
	}
	if st := s.Stats(); st.StillsAbandoned != 1 || st.BadStills != 3 {
		t.Errorf("%+v", st)
	}
}

func TestTransfersAreChecked(t *testing.T) {
	a, b := []byte("first chunk"), []byte("second")
	whole := append(append([]byte(nil), a...), b...)
	header := signaling.BulkHeader{Transfer: 7, Bytes: int64(len(whole)), Chunks: 2, SHA256: hash(whole)}
	damaged := chunkOf(7, 0, a)
	damaged.Data[len(damaged.Data)-1] ^= 1
	for _, c := range []struct {
		name     string
		header   signaling.BulkHeader
		chunks   []webrtc.DataChannelMessage
		arrives  bool
		rejected uint64
	}{
		{"whole", header, []webrtc.DataChannelMessage{chunkOf(7, 0, a), chunkOf(7, 1, b)}, true, 0},
		{"unfinished", header, []webrtc.DataChannelMessage{chunkOf(7, 0, a)}, false, 0},
		{"damaged", header, []webrtc.DataChannelMessage{damaged, chunkOf(7, 1, b)}, false, 1},
		{"out of order", header, []webrtc.DataChannelMessage{chunkOf(7, 1, b), chunkOf(7, 0, a)}, false, 1},
		{"of another", header, []webrtc.DataChannelMessage{chunkOf(8, 0, a)}, false, 1},
		{"short", header, []webrtc.DataChannelMessage{binaryMessage(a[:5])}, false, 1},
		{"too long", header, []webrtc.DataChannelMessage{chunkOf(7, 0, a), chunkOf(7, 1, a)}, false, 1},
		{"wrong hash", signaling.BulkHeader{Transfer: 7, Bytes: int64(len(a)), Chunks: 1, SHA256: hash(b)},
			[]webrtc.DataChannelMessage{chunkOf(7, 0, a)}, false, 1},
		{"beyond the limit", signaling.BulkHeader{Bytes: 1 << 40, Chunks: 1}, []webrtc.DataChannelMessage{chunkOf(0, 0, a)}, false, 1},
		{"empty", signaling.BulkHeader{SHA256: hash(nil)}, nil, true, 0},
	} {
		s := &Session{bulks: make(chan Bulk, 1), options: Options{MaxBulk: 1000}}
		receive := s.bulkReceiver()
		receive(text(t, c.header))
		for _, m := range c.chunks {
			receive(m)
		}
		if (len(s.bulks) == 1) != c.arrives || s.Stats().BadBulks != c.rejected {
			t.Errorf("%s: %d arrived, %d rejected", c.name, len(s.bulks), s.Stats().BadBulks)
		}
	}
}

func TestOldestIsDropped(t *testing.T) {
	c := make(chan int, 3)
	dropped := 0
	for i := range 10 {
		if put(c, i) {
			dropped++
		}
	}
	if dropped != 7 || <-c != 7 || <-c != 8 || <-c != 9 {
		t.Errorf("%d dropped", dropped)
	}
}
