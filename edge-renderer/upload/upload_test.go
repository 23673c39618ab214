package upload

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
	"github.com/tomocast/tomocast/signaling"
)

func TestArena(t *testing.T) {
	var a arena
	defer a.free()
	var taken [][]byte
	for n, size := range []int{0, 1, 100, blockBytes, blockBytes + 5, 7, blockBytes - 200} {
		b, err := a.take(size)
		if err != nil || len(b) != size || cap(b) != size {
			t.Fatalf("%d bytes: %d of %d, %v", size, len(b), cap(b), err)
		}
		for i := range b {
			if b[i] != 0 {
				t.Fatalf("byte %d of %d is used twice", i, size)
			}
			b[i] = byte(n + 1)
		}
		taken = append(taken, b)
	}
	for n, b := range taken {
		if bytes.Count(b, []byte{byte(n + 1)}) != len(b) {
			t.Errorf("the %d bytes of piece %d were overwritten", len(b), n)
		}
	}
}

func send(t *testing.T, b *Batch, name string, data []byte, end error) error {
	t.Helper()
	meta, _ := json.Marshal(signaling.UploadMeta{Path: name})
	f, err := b.Begin(signaling.BulkHeader{Bytes: int64(len(data)), Meta: meta})
	if err != nil {
		return err
	}
	for part := range slices.Chunk(data, 100) {
		if _, err := f.Write(part); err != nil {
			return err
		}
	}
	f.End(end)
	return nil
}

func slice(t *testing.T, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := dicom.Write(&b, sourcetest.Slice("1.2", "1.2.3", n)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBatch(t *testing.T) {
	one, two := slice(t, 1), slice(t, 2)
	news := 0
	b := New(signaling.Upload{Files: 5, Bytes: int64(len(one) + len(two) + 10)}, func() { news++ })
	defer b.Close()
	if err := send(t, b, "a/1", one, nil); err != nil {
		t.Fatal(err)
	}
	if err := send(t, b, "a/2", two, stream.ErrDamaged); err != nil {
		t.Fatal(err)
	}
	if err := send(t, b, "a/3", two, nil); !errors.Is(err, errNoRoom) {
		t.Errorf("more than was announced: %v", err)
	}
	if err := send(t, b, "", nil, nil); !errors.Is(err, errUnnamed) {
		t.Errorf("without a path: %v", err)
	}
	if p := b.Progress(); p.Slices != 4 || p.TotalSlices != 5 || p.Bytes != int64(len(one)+len(two)) || p.Stage != "receiving" || news == 0 {
		t.Errorf("progress %+v", p)
	}
	begin := time.Now()
	b.Wait(t.Context(), 20*time.Millisecond) // the fifth does not come
	if time.Since(begin) > 10*time.Second {
		t.Error("what does not come is waited for")
	}
	got, err := b.Finish(t.Context())
	if err != nil || len(got.Series) != 1 || got.Series[0].Instances != 1 || got.LeftOutCount != 4 {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := send(t, b, "late", []byte("x"), nil); err == nil {
		t.Error("a file is taken after the end")
	}
	list, err := b.SeriesOf(t.Context(), "1.2")
	if err != nil || len(list) != 1 {
		t.Errorf("series %v, %v", list, err)
	}
	src, err := b.Series("1.2", "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	// What is being read is not wiped.
	reading, closed := make(chan struct{}), make(chan struct{})
	go func() {
		<-reading
		b.Close()
		close(closed)
	}()
	if err := src.Each(t.Context(), 1, func(o source.Object) error {
		close(reading)
		select {
		case <-closed:
			t.Error("the files were wiped while they were read")
		case <-time.After(50 * time.Millisecond):
		}
		if !bytes.Equal(o.Data, one) {
			t.Error("another file came")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	<-closed
	if err := src.Each(context.Background(), 1, func(source.Object) error { return nil }); !errors.Is(err, errClosed) {
		t.Errorf("after the end: %v", err)
	}
}

func TestFit(t *testing.T) {
	r := signaling.Received{Series: []signaling.ReceivedSeries{{}}}
	for range 100 {
		r.LeftOut = append(r.LeftOut, signaling.LeftOut{Name: strings.Repeat("n", 300), Reason: strings.Repeat("r", 300)})
		r.Series = append(r.Series, signaling.ReceivedSeries{PatientName: strings.Repeat("p", 300), Reason: strings.Repeat("r", 300)})
	}
	Fit(&r)
	raw, err := json.Marshal(r)
	if err != nil || len(raw) > maxTold || len(r.Series) == 0 || len(r.LeftOut) == 0 {
		t.Errorf("%d bytes, %d series, %d files: %v", len(raw), len(r.Series), len(r.LeftOut), err)
	}
	for _, bad := range []*signaling.Upload{nil, {}, {Files: MaxFiles + 1}, {Files: 1, Bytes: -1}} {
		if Announced(bad) == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}
