package dicom_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// same says where two data sets differ in tags, representations, values, items and fragments.
func same(t *testing.T, where string, a, b *dicom.Dataset) {
	t.Helper()
	if len(a.Elements) != len(b.Elements) {
		t.Fatalf("%s: %d elements became %d", where, len(a.Elements), len(b.Elements))
	}
	for i := range a.Elements {
		x, y := &a.Elements[i], &b.Elements[i]
		if x.Tag != y.Tag || x.VR != y.VR {
			t.Errorf("%s: %v %v became %v %v", where, x.Tag, x.VR, y.Tag, y.VR)
			continue
		}
		if !bytes.Equal(bytes.TrimRight(x.Value, " \x00"), bytes.TrimRight(y.Value, " \x00")) {
			t.Errorf("%s: %v: value %.40q became %.40q", where, x.Tag, x.Value, y.Value)
		}
		if len(x.Items) != len(y.Items) || len(x.Fragments) != len(y.Fragments) {
			t.Errorf("%s: %v: %d items and %d fragments became %d and %d", where, x.Tag, len(x.Items), len(x.Fragments), len(y.Items), len(y.Fragments))
			continue
		}
		for k := range x.Items {
			same(t, where+x.Tag.String(), x.Items[k], y.Items[k])
		}
		for k := range x.Fragments {
			if !bytes.Equal(x.Fragments[k], y.Fragments[k]) {
				t.Errorf("%s: %v: fragment %d differs", where, x.Tag, k)
			}
		}
	}
}

// rich is a data set with one of everything.
func rich() *dicom.Dataset {
	d := sourcetest.Slice("1.2.3", "1.2.3.4", 7)
	d.SetInts(0x00280106, dicom.US, 0, 65535)
	d.SetInts(0x00189219, dicom.SS, -32768, 32767, -1)
	d.SetInts(0x00081161, dicom.UL, 0, math.MaxUint32)
	d.SetInts(0x00186020, dicom.SL, math.MinInt32, math.MaxInt32)
	d.SetInts(0x00720082, dicom.SV, math.MinInt64, math.MaxInt64)
	d.SetInts(0x00720083, dicom.UV, 0, math.MaxInt64)
	d.SetFloats(0x00189073, dicom.FD, 1.0/3, -math.MaxFloat64)
	d.SetFloats(0x00187001, dicom.DS, 1.0/3, -1e-30, 2)
	d.SetString(0x00081030, dicom.LO, "odd")
	d.SetString(0x00104000, dicom.LT, `a \ that parts nothing`)
	d.SetString(0x0008010E, dicom.UR, "https://example.org/odd")
	d.SetString(0x00080119, dicom.UC, strings.Repeat("unlimited ", 8000)) // beyond a 16 bit length
	d.SetBytes(0x00091001, dicom.UN, []byte{1, 2, 3})                     // private, odd
	d.SetString(0x00090010, dicom.LO, "TOMOCAST TEST")
	inner := &dicom.Dataset{}
	inner.SetString(dicom.PatientID, dicom.LO, "inner")
	inner.SetSequence(0x00081115, &dicom.Dataset{}) // an empty item
	outer := &dicom.Dataset{}
	outer.SetSequence(0x00081140, inner, &dicom.Dataset{})
	d.SetSequence(0x00082112, outer)
	d.SetSequence(0x00081250)
	return d
}

func TestRoundTrip(t *testing.T) {
	for _, syntax := range []string{"", dicom.ExplicitVRLittleEndian, dicom.ImplicitVRLittleEndian, dicom.DeflatedExplicitVRLittleEndian} {
		d := rich()
		d.TransferSyntax = syntax
		data := write(t, d)
		if len(data)%2 != 0 {
			t.Errorf("%s: a file of %d bytes, an odd number", dicom.SyntaxName(syntax), len(data))
		}
		got := parse(t, data)
		want := syntax
		if want == "" {
			want = dicom.ExplicitVRLittleEndian
		}
		if got.TransferSyntax != want || got.Meta.String(dicom.TransferSyntaxUID) != want || len(got.Warnings) > 0 {
			t.Errorf("read as %s with warnings %q, not as %s", got.TransferSyntax, got.Warnings, want)
		}
		if got.Meta.String(dicom.MediaStorageSOPInstanceUID) != "1.2.3.4.7" || got.Meta.String(dicom.MediaStorageSOPClassUID) != sourcetest.CTImageStorage {
			t.Error("the meta information does not repeat class and instance")
		}
		if syntax == dicom.ImplicitVRLittleEndian { // the dictionary says the representation there
			for _, tag := range []dicom.Tag{0x00189219, 0x00091001} {
				if got.Get(tag).VR != dicom.VROf(tag) {
					t.Errorf("%v came back as %v", tag, got.Get(tag).VR)
				}
			}
		}
		same(t, dicom.SyntaxName(syntax), d, got)
		again := parse(t, write(t, got))
		same(t, dicom.SyntaxName(syntax)+", twice", got, again)
		if n, ok := got.Int(0x00720082); !ok || n != math.MinInt64 {
			t.Errorf("the smallest 64 bit number became %d, %v", n, ok)
		}
		if f, ok := got.Floats(0x00189073); !ok || f[0] != 1.0/3 {
			t.Errorf("a third became %v, %v", f, ok)
		}
		if s := got.Strings(0x00104000); len(s) != 1 || s[0] != `a \ that parts nothing` {
			t.Errorf("free text became %q", s)
		}
	}
}

// pixels of every sample kind that is read come back after writing.
func TestPixelRoundTrip(t *testing.T) {
	const rows, columns = 5, 3 // an odd number of samples
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ allocated, stored, high, signed int }{
		{8, 8, 7, 0}, {8, 8, 7, 1}, {8, 6, 5, 0}, {8, 5, 6, 1},
		{16, 16, 15, 0}, {16, 16, 15, 1}, {16, 12, 11, 0}, {16, 12, 11, 1}, {16, 12, 15, 0}, {16, 12, 15, 1}, {16, 8, 11, 0}, {16, 15, 14, 0},
		{16, 1, 0, 0}, {16, 1, 0, 1},
		{32, 32, 31, 0}, {32, 32, 31, 1}, {32, 20, 19, 1}, {64, 64, 63, 1}, {64, 33, 40, 0},
	} {
		lo, hi := int64(0), int64(1)<<c.stored-1
		if c.stored == 64 {
			hi = math.MaxInt64
		}
		if c.signed == 1 {
			lo, hi = -1<<(c.stored-1), 1<<(c.stored-1)-1
		}
		want := []int64{lo, hi, (lo + hi) / 2}
		for len(want) < rows*columns {
			want = append(want, lo+int64(random.Uint64()>>1%uint64(hi/2-lo/2+1)))
		}
		var raw []byte
		for _, v := range want {
			mask := ^uint64(0) >> (64 - c.stored)
			u := uint64(v) & mask << (c.high + 1 - c.stored)
			u |= random.Uint64() &^ (mask << (c.high + 1 - c.stored)) // bits that mean nothing
			raw = append(raw, binary.LittleEndian.AppendUint64(nil, u)[:c.allocated/8]...)
		}
		for _, syntax := range []string{dicom.ExplicitVRLittleEndian, dicom.ImplicitVRLittleEndian, dicom.DeflatedExplicitVRLittleEndian} {
			d := sourcetest.Slice("1.2.3", "1.2.3.4", 1)
			d.TransferSyntax = syntax
			d.SetInts(dicom.Rows, dicom.US, rows)
			d.SetInts(dicom.Columns, dicom.US, columns)
			d.SetInts(dicom.BitsAllocated, dicom.US, c.allocated)
			d.SetInts(dicom.BitsStored, dicom.US, c.stored)
			d.SetInts(dicom.HighBit, dicom.US, c.high)
			d.SetInts(dicom.PixelRepresentation, dicom.US, c.signed)
			d.SetBytes(dicom.PixelData, dicom.OW, raw)
			got := parse(t, write(t, d))
			f, err := got.PixelFormat()
			if err != nil {
				t.Fatalf("%+v: %v", c, err)
			}
			frame, err := got.Frame(0)
			if err != nil || !bytes.Equal(frame, raw) {
				t.Fatalf("%+v: %v, %x", c, err, frame)
			}
			floats := make([]float64, rows*columns)
			if !f.Float64s(floats, frame) {
				t.Fatalf("%+v: not decoded", c)
			}
			shorts := make([]int16, rows*columns)
			if f.Int16s(shorts, frame) != (c.allocated <= 16) {
				t.Fatalf("%+v: 16 bit decoding of %d bits", c, c.allocated)
			}
			for i, v := range want {
				if floats[i] != float64(v) {
					t.Errorf("%+v: sample %d is %v, want %d", c, i, floats[i], v)
				}
				if c.allocated <= 16 && int64(shorts[i])+int64(f.Bias()) != v {
					t.Errorf("%+v: sample %d is %d with bias %d, want %d", c, i, shorts[i], f.Bias(), v)
				}
			}
			if f.Int16s(shorts[1:], frame) || f.Float64s(floats[1:], frame) {
				t.Errorf("%+v: lengths that differ are accepted", c)
			}
		}
	}
}

// A deflated data set is padded to an even length (PS3.5 A.5).
func TestDeflatedIsEven(t *testing.T) {
	for n := range 16 {
		d := sourcetest.Slice("1.2.3", "1.2.3.4", 1)
		d.TransferSyntax = dicom.DeflatedExplicitVRLittleEndian
		d.SetString(dicom.SeriesDescription, dicom.LO, "abcdefghijklmnopqrst"[:n])
		data := write(t, d)
		if len(data)%2 != 0 {
			t.Errorf("a file of %d bytes", len(data))
		}
		if got := parse(t, data); got.String(dicom.SeriesDescription) != "abcdefghijklmnopqrst"[:n] {
			t.Errorf("description %q", got.String(dicom.SeriesDescription))
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	for name, change := range map[string]func(*dicom.Dataset){
		"big endian":                   func(d *dicom.Dataset) { d.TransferSyntax = dicom.ExplicitVRBigEndian },
		"no instance":                  func(d *dicom.Dataset) { d.Delete(dicom.SOPInstanceUID) },
		"no class":                     func(d *dicom.Dataset) { d.SetString(dicom.SOPClassUID, dicom.UI) },
		"native under a compressed":    func(d *dicom.Dataset) { d.TransferSyntax = "1.2.840.10008.1.2.4.90" },
		"a value beyond 16 bit length": func(d *dicom.Dataset) { d.SetString(dicom.StudyDescription, dicom.LO, strings.Repeat("x", 65536)) },
		"no representation":            func(d *dicom.Dataset) { d.Set(dicom.Element{Tag: 0x00091010, Value: []byte("x")}) },
		"fragments under a native": func(d *dicom.Dataset) {
			d.Set(dicom.Element{Tag: dicom.PixelData, VR: dicom.OB, Fragments: [][]byte{nil, {1, 2}}})
		},
	} {
		d := rich()
		change(d)
		var fault *dicom.Error
		if err := dicom.Write(&bytes.Buffer{}, d); !errors.As(err, &fault) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := dicom.Write(full{}, rich()); !errors.Is(err, errFull) {
		t.Errorf("a full disk: %v", err)
	}
}

var errFull = errors.New("disk is full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestEncapsulatedRoundTrip(t *testing.T) {
	d := sourcetest.Slice("1.2.3", "1.2.3.4", 1)
	d.TransferSyntax = "1.2.840.10008.1.2.4.90"
	d.Set(dicom.Element{Tag: dicom.PixelData, VR: dicom.OB, Fragments: [][]byte{{}, {0xFF, 0x4F, 1}, {2, 3}}})
	got := parse(t, write(t, d))
	px, err := got.PixelData()
	if err != nil || len(px.Fragments) != 3 || !bytes.Equal(px.Fragments[1], []byte{0xFF, 0x4F, 1, 0}) || len(px.Fragments[0]) != 0 {
		t.Errorf("fragments became %v, %v", px.Fragments, err)
	}
}

func TestDecimalStrings(t *testing.T) {
	for _, f := range []float64{0, math.Copysign(0, -1), 1, -1024, 0.1, 1.0 / 3, -1.0 / 3, 1e-300, -1.7976931348623157e308, 0.898438, -123.5404569, 12345678901234567} {
		d := &dicom.Dataset{}
		d.SetFloats(dicom.RescaleSlope, dicom.DS, f)
		s := d.String(dicom.RescaleSlope)
		got, ok := d.Float(dicom.RescaleSlope)
		if len(s) > 16 || !ok || math.Abs(got-f) > 1e-8*math.Abs(f) {
			t.Errorf("%v became %q", f, s)
		}
	}
}

func TestSetAndDelete(t *testing.T) {
	d := &dicom.Dataset{}
	tags := []dicom.Tag{dicom.Rows, dicom.PatientID, dicom.PixelData, dicom.Modality}
	for i, tag := range tags {
		d.SetInts(tag, dicom.US, i)
	}
	d.SetInts(dicom.Rows, dicom.US, 9)
	if !slices.IsSortedFunc(d.Elements, func(a, b dicom.Element) int { return int(int64(a.Tag) - int64(b.Tag)) }) || len(d.Elements) != 4 {
		t.Errorf("elements %v", d.Elements)
	}
	if n, ok := d.Int(dicom.Rows); !ok || n != 9 {
		t.Errorf("rows %d, %v", n, ok)
	}
	d.Delete(dicom.Rows)
	if d.Has(dicom.Rows) || !d.Has(dicom.Modality) {
		t.Error("deleting took the wrong element")
	}
}
