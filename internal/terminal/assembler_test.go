package terminal

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
)

var start = time.Unix(1000, 0)

// packets makes packets of pictures.
type packets struct {
	payloader rtp.Payloader
	sequence  uint16
	timestamp uint32
}

func (p *packets) of(picture []byte) []*rtp.Packet {
	p.timestamp += 3000
	payloads := p.payloader.Payload(1000, picture)
	var list []*rtp.Packet
	for i, payload := range payloads {
		list = append(list, &rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: p.sequence, Timestamp: p.timestamp,
			Marker: i == len(payloads)-1}, Payload: payload})
		p.sequence++
	}
	return list
}

// picture is a VP8 frame of n bytes that begins with its number.
func picture(number int, key bool, n int) []byte {
	b := make([]byte, n)
	if !key {
		b[0] = 1
	}
	b[1], b[2] = byte(number), byte(number>>8)
	return b
}

func numbers(pictures []Picture) (list []int) {
	for _, p := range pictures {
		list = append(list, int(p.Data[1])|int(p.Data[2])<<8)
	}
	return list
}

func TestAssemblerPutsPacketsInOrder(t *testing.T) {
	a := assembler{format: formatOf("video/VP8")}
	source := packets{payloader: &codecs.VP8Payloader{EnablePictureID: true}, sequence: 65500} // wraps on the way
	var all []*rtp.Packet
	for i := range 60 {
		all = append(all, source.of(picture(i, i == 0, 3500))...)
	}
	// Neighbours change places, and every tenth comes twice.
	var order []*rtp.Packet
	for i := 0; i+4 <= len(all); i += 4 {
		order = append(order, all[i], all[i+2], all[i+1], all[i+3])
		if i%40 == 0 {
			order = append(order, all[i], all[i+2])
		}
	}
	var got []Picture
	for i, p := range order {
		pictures, wantKey := a.push(p, start.Add(time.Duration(i)*time.Millisecond))
		if wantKey {
			t.Fatalf("packet %d: a key frame is asked for", i)
		}
		got = append(got, pictures...)
	}
	if len(got) != 60 || a.lost != 0 {
		t.Fatalf("%d pictures, %d lost", len(got), a.lost)
	}
	for i, p := range got {
		if want := picture(i, i == 0, 3500); !bytes.Equal(p.Data, want) || p.Key != (i == 0) || p.Gap || p.RTP != uint32(3000*(i+1)) {
			t.Fatalf("picture %d: RTP %d, key %v, gap %v, %d bytes", i, p.RTP, p.Key, p.Gap, len(p.Data))
		}
	}
}

func TestAssemblerAfterALoss(t *testing.T) {
	source := packets{payloader: &codecs.VP8Payloader{EnablePictureID: true}}
	var all [][]*rtp.Packet
	for i := range 10 {
		all = append(all, source.of(picture(i, i == 0 || i == 7, 3500)))
	}
	a := assembler{format: formatOf("video/VP8")}
	var got []Picture
	asked := 0
	at := start
	for i, list := range all {
		at = at.Add(100 * time.Millisecond)
		for j, p := range list {
			if i == 2 && j == 1 { // lost for good
				continue
			}
			pictures, wantKey := a.push(p, at)
			got = append(got, pictures...)
			if wantKey {
				asked++
			}
		}
	}
	// Pictures 2 to 6 cannot be decoded; 7 is a key frame.
	if n := numbers(got); len(n) != 5 || n[0] != 0 || n[1] != 1 || n[2] != 7 || n[3] != 8 || n[4] != 9 {
		t.Fatalf("pictures %v, want 0 1 7 8 9", n)
	}
	if !got[2].Gap || got[3].Gap || got[1].Gap {
		t.Error("the gap is not told at the picture after it")
	}
	if asked == 0 || a.lost != 5 {
		t.Errorf("%d times asked for a key frame, %d pictures lost; want 5", asked, a.lost)
	}

	// What was lost and comes again within patience is no loss.
	a = assembler{format: formatOf("video/VP8")}
	late := all[2][1]
	var count int
	for i, list := range all[:5] {
		for _, p := range list {
			if p != late {
				pictures, _ := a.push(p, start.Add(time.Duration(i)*50*time.Millisecond))
				count += len(pictures)
			}
		}
	}
	if pictures, _ := a.push(late, start.Add(300*time.Millisecond)); count != 2 || len(pictures) != 3 {
		t.Errorf("%d pictures before the late packet and %d with it, want 2 and 3", count, len(pictures))
	}
}

func TestAssemblerBeginsInTheMiddle(t *testing.T) {
	source := packets{payloader: &codecs.H264Payloader{}}
	nal := func(header byte) []byte {
		return append([]byte{0, 0, 0, 1, header}, bytes.Repeat([]byte{0x55}, 2500)...)
	}
	a := assembler{format: formatOf("video/H264")}
	first := source.of(nal(0x65))
	var got []Picture
	asked := false
	for _, list := range [][]*rtp.Packet{first[1:], source.of(nal(0x61)), source.of(nal(0x65)), source.of(nal(0x61))} {
		for _, p := range list {
			pictures, wantKey := a.push(p, start)
			got, asked = append(got, pictures...), asked || wantKey
		}
	}
	if len(got) != 2 || !got[0].Key || got[1].Key || !asked {
		t.Fatalf("%d pictures, asked %v; want the second key frame and what follows", len(got), asked)
	}
	if !bytes.Equal(got[0].Data, nal(0x65)) {
		t.Errorf("picture of %d bytes", len(got[0].Data))
	}
}

func TestAssemblerGivesUpWhatIsTooFarBehind(t *testing.T) {
	source := packets{payloader: &codecs.VP8Payloader{}}
	a := assembler{format: formatOf("video/VP8")}
	a.push(source.of(picture(0, true, 500))[0], start)
	source.sequence++ // one is lost, and no time passes
	got := 0
	for i := range 2 * window {
		pictures, _ := a.push(source.of(picture(i, true, 500))[0], start)
		got += len(pictures)
	}
	if got < window {
		t.Errorf("%d pictures of %d came", got, 2*window)
	}
}

func FuzzAssembler(f *testing.F) {
	f.Add([]byte{0, 1, 0x90, 0, 2, 0, 3, 0x10}, true)
	random := rand.NewChaCha8([32]byte{1})
	long := make([]byte, 4096)
	_, _ = random.Read(long)
	f.Add(long, false)
	f.Fuzz(func(t *testing.T, script []byte, isVP8 bool) {
		script = script[:min(len(script), 8192)]
		mime := "video/H264"
		if isVP8 {
			mime = "video/VP8"
		}
		a := assembler{format: formatOf(mime)}
		now := start
		for len(script) >= 6 { // sequence (2), flags (1), length (1), payload
			n := min(int(script[3])%16, len(script)-4)
			p := &rtp.Packet{Header: rtp.Header{SequenceNumber: binary.BigEndian.Uint16(script), Timestamp: uint32(script[2] & 7),
				Marker: script[2]&8 != 0}, Payload: script[4 : 4+n]}
			now = now.Add(time.Duration(script[2]>>4) * 50 * time.Millisecond)
			pictures, _ := a.push(p, now)
			for _, picture := range pictures {
				if len(picture.Data) == 0 {
					t.Fatal("a picture without data")
				}
			}
			if int(a.newest-a.next) >= window && int16(a.newest-a.next) > 0 {
				t.Fatalf("%d packets wait", a.newest-a.next)
			}
			script = script[4+n:]
		}
	})
}
