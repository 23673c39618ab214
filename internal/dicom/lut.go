package dicom

import "encoding/binary"

// LUT is a look-up table for stored or modality values (PS3.3 C.11.1.1, C.11.2.1.1, C.7.6.3.1.5).
type LUT struct {
	// First is the value that the first entry stands for. Values below it get the first entry, values beyond the last
	// entry that one.
	First int
	// Entries are the outputs.
	Entries []uint16
	// Bits is how many bits an entry has, 8 to 16.
	Bits int
	// Explanation says in the file's words what the table is for; empty for most.
	Explanation string
}

// At is the output for a value.
func (l *LUT) At(v int) int { return int(l.Entries[min(max(v-l.First, 0), len(l.Entries)-1)]) }

// Max is the greatest output that the table's bits allow.
func (l *LUT) Max() int { return 1<<l.Bits - 1 }

// ModalityLUT is the modality look-up table (PS3.3 C.11.1), which turns stored values into values of Units; nil
// where there is none, as there is none where rescale slope and intercept are given. A table that contradicts itself
// is ErrCorrupt.
func (d *Dataset) ModalityLUT() (*LUT, error) {
	items := d.Sequence(ModalityLUTSequence)
	if len(items) == 0 {
		return nil, nil
	}
	signed, _ := d.Int(PixelRepresentation)
	return items[0].table(signed == 1)
}

// VOILUTs are the tables of values of interest (PS3.3 C.11.2), alternatives of each other, which turn what comes out
// of the modality transform into grey for the screen. signed says whether that can be negative.
func (d *Dataset) VOILUTs(signed bool) ([]*LUT, error) {
	var out []*LUT
	for _, item := range d.Sequence(VOILUTSequence) {
		l, err := item.table(signed)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

// table reads a table from an item of a LUT sequence.
func (d *Dataset) table(signed bool) (*LUT, error) {
	l, err := d.descriptor(LUTDescriptor, signed)
	if err != nil {
		return nil, err
	}
	n := len(l.Entries)
	l.Explanation = d.String(LUTExplanation)
	return l, l.fill(LUTData, n, d.Bytes(LUTData))
}

// descriptor reads the three numbers that describe a table: how many entries, 0 for 65536; the first value mapped,
// signed where the values are; bits of an entry. US or SS is left to the reader in files without VRs.
func (d *Dataset) descriptor(t Tag, signed bool) (*LUT, error) {
	v := d.Bytes(t)
	if len(v) < 6 {
		return nil, fault(ErrCorrupt, t, "the table's description is missing or too short; export the file again")
	}
	n, first, bits := int(binary.LittleEndian.Uint16(v)), int(binary.LittleEndian.Uint16(v[2:])), int(binary.LittleEndian.Uint16(v[4:]))
	if n == 0 {
		n = 1 << 16
	}
	if signed {
		first = int(int16(first))
	}
	if bits < 8 || bits > 16 {
		return nil, fault(ErrCorrupt, t, "a table with entries of %d bits; 8 to 16 can be read", bits)
	}
	return &LUT{First: first, Bits: bits, Entries: make([]uint16, n)}, nil
}

// fill takes n entries from a value: one word each, or, for entries of 8 bits, one byte each.
func (l *LUT) fill(t Tag, n int, v []byte) error {
	switch {
	case len(v) >= 2*n:
		most := uint16(0)
		for i := range n {
			l.Entries[i] = binary.LittleEndian.Uint16(v[2*i:])
			most = max(most, l.Entries[i])
		}
		if most > uint16(l.Max()) {
			l.Bits = 16 // more bits are used than the description says
		}
	case len(v) >= n && (l.Bits == 8 || len(v) <= n+1):
		l.Bits = 8
		for i := range n {
			l.Entries[i] = uint16(v[i])
		}
	default:
		return fault(ErrCorrupt, t, "a table of %d entries of %d bits has only %d bytes; export the file again", n, l.Bits, len(v))
	}
	return nil
}
