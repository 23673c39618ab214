package dicom

// PixelFormat says how the samples of an image are stored (PS3.3 C.7.6.3).
type PixelFormat struct {
	Rows, Columns   int
	Frames          int
	SamplesPerPixel int
	// BitsAllocated is the size of a sample, BitsStored how many of its bits count, HighBit the topmost of them.
	BitsAllocated, BitsStored, HighBit int
	// Signed: samples are two's complement of BitsStored bits.
	Signed bool
	// Float: samples are IEEE numbers of BitsAllocated bits (Float and Double Float Pixel Data).
	Float bool
	// Planar: the samples of a colour image lie plane by plane.
	Planar bool
	// Overlays says that bits of the samples that are not stored hold overlays (PS3.5 8.1.2, retired).
	Overlays bool
	// Photometric is the photometric interpretation, MONOCHROME2 for most.
	Photometric string
}

// FrameSamples is the number of samples of one frame.
func (f PixelFormat) FrameSamples() int { return f.Rows * f.Columns * f.SamplesPerPixel }

// FrameBytes is the length of one uncompressed frame.
func (f PixelFormat) FrameBytes() int { return (f.FrameSamples()*f.BitsAllocated + 7) / 8 }

// PixelFormat reads and checks the description of the pixel data; the pixel data itself may be absent, as it is in
// metadata. It returns ErrNoPixelData where there is no image (a report, a presentation state), and ErrCorrupt
// where the description contradicts itself.
func (d *Dataset) PixelFormat() (PixelFormat, error) {
	f := PixelFormat{Frames: 1, SamplesPerPixel: 1, Photometric: d.String(PhotometricInterpretation)}
	switch {
	case d.Has(PixelData):
	case d.Has(FloatPixelData), d.Has(DoubleFloatPixelData):
		f.Float = true
	case !d.Has(Rows) && !d.Has(Columns):
		return f, fault(ErrNoPixelData, 0, "there is no pixel data in it")
	}
	for _, v := range []struct {
		tag      Tag
		to       *int
		required bool
		lo, hi   int
	}{
		{Rows, &f.Rows, true, 1, 65535},
		{Columns, &f.Columns, true, 1, 65535},
		{BitsAllocated, &f.BitsAllocated, true, 1, 64},
		{SamplesPerPixel, &f.SamplesPerPixel, false, 1, 4},
		{NumberOfFrames, &f.Frames, false, 1, 1 << 20},
	} {
		n, ok := d.Int(v.tag)
		if !ok && (v.required || len(d.Bytes(v.tag)) > 0) {
			return f, fault(ErrCorrupt, v.tag, "it is missing or no number, so the image cannot be read")
		}
		if !ok {
			continue
		}
		if n < v.lo || n > v.hi {
			return f, fault(ErrCorrupt, v.tag, "its value %d is not within %d to %d", n, v.lo, v.hi)
		}
		*v.to = n
	}
	switch f.BitsAllocated {
	case 1, 8, 16, 32, 64:
	default:
		return f, fault(ErrCorrupt, BitsAllocated, "%d bits per sample; 1, 8, 16, 32 and 64 can be read", f.BitsAllocated)
	}
	if want := 32; f.Float {
		if !d.Has(FloatPixelData) {
			want = 64
		}
		if f.BitsAllocated != want {
			return f, fault(ErrCorrupt, BitsAllocated, "numbers of %d bits are said to have %d; export the file again", want, f.BitsAllocated)
		}
	}
	f.BitsStored, f.HighBit = f.BitsAllocated, f.BitsAllocated-1
	if n, ok := d.Int(BitsStored); ok && !f.Float {
		f.BitsStored, f.HighBit = n, n-1
	}
	if n, ok := d.Int(HighBit); ok && !f.Float {
		f.HighBit = n
	}
	if f.BitsStored < 1 || f.HighBit >= f.BitsAllocated || f.HighBit < f.BitsStored-1 {
		return f, fault(ErrCorrupt, BitsStored, "%d bits stored up to bit %d do not fit in %d bits allocated", f.BitsStored, f.HighBit, f.BitsAllocated)
	}
	if n, ok := d.Int(PixelRepresentation); ok {
		f.Signed = n == 1
	}
	if n, ok := d.Int(PlanarConfiguration); ok && f.SamplesPerPixel > 1 {
		f.Planar = n == 1
	}
	f.Overlays = d.overlays(f)
	return f, nil
}

// overlays says whether an overlay is kept in bits of the pixels, as its bit position tells: 0 there means that it has
// data of its own (PS3.3 C.9.2).
func (d *Dataset) overlays(f PixelFormat) bool {
	if f.BitsStored == f.BitsAllocated {
		return false
	}
	for g := Tag(0); g < 0x20; g += 2 {
		if n, ok := d.Int(OverlayBitPosition + g<<16); ok && n > 0 && (n > f.HighBit || n <= f.HighBit-f.BitsStored) {
			return true
		}
	}
	return false
}

// Pixels is pixel data as it is stored.
type Pixels struct {
	// Native is the uncompressed samples of all frames; nil where the data is encapsulated.
	Native []byte
	// Fragments is the encapsulated data, the basic offset table first; nil where the data is native.
	Fragments [][]byte
}

// PixelData is the stored pixel data; ErrNoPixelData where there is none or where it was left unread.
func (d *Dataset) PixelData() (Pixels, error) {
	for _, t := range []Tag{PixelData, FloatPixelData, DoubleFloatPixelData} {
		e := d.Get(t)
		switch {
		case e == nil:
		case e.Fragments != nil:
			return Pixels{Fragments: e.Fragments}, nil
		case e.Value != nil:
			return Pixels{Native: e.Value}, nil
		default:
			return Pixels{}, fault(ErrNoPixelData, t, "the pixel data was not read, or is empty")
		}
	}
	return Pixels{}, fault(ErrNoPixelData, 0, "there is no pixel data in it")
}
