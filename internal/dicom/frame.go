package dicom

// Frame is the uncompressed samples of frame n (from 0), little endian, as PixelFormat describes them. Native data
// is not copied. It returns ErrUnsupportedTransferSyntax, with the name and UID of the syntax, where this build
// cannot decode the data, and ErrTruncated where there is less of it than the image needs.
func (d *Dataset) Frame(n int) ([]byte, error) {
	raw, _, err := d.DecodeFrame(n)
	return raw, err
}

// DecodeFrame is Frame with the layout that the samples have now. It differs from PixelFormat where compressed
// frames come out interleaved, or in RGB since the codestream has undone its own colour transform, or with the
// precision that the codestream itself states; and where colour differences were stored for every second pixel only,
// which are repeated (YBR_FULL_422 becomes YBR_FULL).
func (d *Dataset) DecodeFrame(n int) ([]byte, PixelFormat, error) {
	f, err := d.PixelFormat()
	if err != nil {
		return nil, f, err
	}
	if n < 0 || n >= f.Frames {
		return nil, f, fault(ErrCorrupt, NumberOfFrames, "frame %d was asked for, there are %d", n+1, f.Frames)
	}
	if d.under != nil {
		at := d.frame + n
		for d.under != nil {
			d = d.under
		}
		raw, g, err := d.DecodeFrame(at)
		g.Frames = f.Frames
		return raw, g, err
	}
	px, err := d.PixelData()
	if err != nil {
		return nil, f, err
	}
	uid := d.root().TransferSyntax
	if px.Fragments == nil {
		if !native(uid) {
			return nil, f, fault(ErrCorrupt, PixelData, "the transfer syntax is %s, but the pixel data is not encapsulated", SyntaxName(uid))
		}
		return nativeFrame(px.Native, f, n)
	}
	if native(uid) {
		return nil, f, fault(ErrCorrupt, PixelData, "the transfer syntax is %s, but the pixel data is encapsulated, in a way that the file does not tell; export it again", SyntaxName(uid))
	}
	decode := decoderFor(uid)
	if decode == nil {
		return nil, f, UnsupportedSyntax(uid)
	}
	frame, err := d.encapsulatedFrame(px.Fragments, f.Frames, n)
	if err != nil {
		return nil, f, err
	}
	return decode(frame, f)
}

// StoredFrame is where frame n begins in what was parsed: its samples where they are not compressed, else its first
// fragment. Bytes before it are not needed to decode this frame and later ones. It is nil where that is not known.
func (d *Dataset) StoredFrame(n int) []byte {
	f, err := d.PixelFormat()
	if err != nil || n < 0 || n >= f.Frames || d.under != nil {
		return nil
	}
	px, err := d.PixelData()
	switch {
	case err != nil:
		return nil
	case px.Fragments == nil:
		bits := f.storedBits(len(px.Native))
		if len(px.Native)*8/bits <= n {
			return nil
		}
		return px.Native[n*bits/8 : (n*bits+bits+7)/8]
	case len(px.Fragments) == f.Frames+1:
		return px.Fragments[n+1]
	case f.Frames == 1:
		return nil
	}
	starts, err := d.frameStarts(px.Fragments, f.Frames)
	if err != nil {
		return nil
	}
	return px.Fragments[1+starts[n]]
}

// storedBits is the size of an uncompressed frame of which all are in so many bytes.
func (f PixelFormat) storedBits(have int) int {
	if f.halved(have) {
		return f.Rows * f.Columns * 2 * 8
	}
	return f.FrameSamples() * f.BitsAllocated
}

// nativeFrame cuts a frame out of uncompressed samples.
func nativeFrame(v []byte, f PixelFormat, n int) ([]byte, PixelFormat, error) {
	bits, halved := f.storedBits(len(v)), f.halved(len(v))
	if have := len(v) * 8; have/bits <= n { // by division: it cannot overflow
		return nil, f, fault(ErrTruncated, PixelData, "%d frames of %dx%d pixels of %d bits need %d bytes, there are %d, so frame %d is cut; export the file again",
			f.Frames, f.Columns, f.Rows, f.BitsAllocated*f.SamplesPerPixel, (f.Frames*bits+7)/8, len(v), n+1)
	}
	if f.BitsAllocated == 1 {
		return bitFrame(v, n*bits, bits), f, nil
	}
	size := bits / 8
	v = v[n*size : (n+1)*size : (n+1)*size]
	if !halved {
		if f.Photometric == "YBR_FULL_422" {
			f.Photometric = "YBR_FULL"
		}
		return v, f, nil
	}
	if f.Columns%2 != 0 {
		return nil, f, fault(ErrCorrupt, Columns, "%s shares colour between pairs of pixels, but there are %d columns", f.Photometric, f.Columns)
	}
	if f.Photometric == "YBR_FULL_422" {
		f.Photometric = "YBR_FULL"
	}
	f.Planar = false
	return doubled(v), f, nil
}

// halved says whether colour differences are stored for every second pixel only: Y1 Y2 Cb Cr for each pair (PS3.3
// C.7.6.3.1.2). Files that say so and have as many samples as without it do not do so.
func (f PixelFormat) halved(have int) bool {
	if f.SamplesPerPixel != 3 || f.BitsAllocated != 8 || f.Photometric != "YBR_FULL_422" && f.Photometric != "YBR_PARTIAL_422" {
		return false
	}
	return have/f.FrameSamples() < f.Frames
}

// doubled repeats the colour differences that pairs of pixels share.
func doubled(v []byte) []byte {
	out := make([]byte, len(v)/4*6)
	for i, o := 0, 0; i+4 <= len(v); i, o = i+4, o+6 {
		p, q := v[i:i+4:i+4], out[o:o+6:o+6]
		q[0], q[1], q[2] = p[0], p[2], p[3]
		q[3], q[4], q[5] = p[1], p[2], p[3]
	}
	return out
}

// bitFrame is a frame of 1 bit samples, the first one in the lowest bit. Frames follow each other without gaps, so
// that they may begin within a byte (PS3.5 8.1.1).
func bitFrame(v []byte, from, bits int) []byte {
	size := (bits + 7) / 8
	at, shift := from/8, from%8
	if shift == 0 && bits%8 == 0 {
		return v[at : at+size : at+size]
	}
	out := make([]byte, size)
	for i := range out {
		b := v[at+i] >> shift
		if shift > 0 && at+i+1 < len(v) {
			b |= v[at+i+1] << (8 - shift)
		}
		out[i] = b
	}
	if rest := bits % 8; rest != 0 {
		out[size-1] &= 1<<rest - 1 // what follows is the next frame's
	}
	return out
}
