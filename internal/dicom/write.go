package dicom

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"io"
)

// The implementation that files written here name (PS3.7 D.3.3.2). The UID is derived from a UUID (PS3.5 B.2).
const (
	implementationClassUID    = "2.25.101853240513264466471203283174961573923"
	implementationVersionName = "TOMOCAST"
)

// Write writes a DICOM file (PS3.10): preamble, file meta information and the data set in its TransferSyntax,
// explicit VR little endian where that is empty. Implicit and deflated little endian are written as well, and
// encapsulated pixel data as it is held; big endian is not. SOPClassUID and SOPInstanceUID must be set, for the
// meta information repeats them. Sequences are written with their lengths. The data set is not changed.
func Write(w io.Writer, d *Dataset) error {
	syntax := d.TransferSyntax
	if syntax == "" {
		syntax = ExplicitVRLittleEndian
	}
	if syntax == ExplicitVRBigEndian {
		return fault(ErrUnsupportedTransferSyntax, 0, "%s is retired and not written; set explicit VR little endian", SyntaxName(syntax))
	}
	class, instance := d.String(SOPClassUID), d.String(SOPInstanceUID)
	if class == "" || instance == "" {
		return fault(ErrCorrupt, SOPInstanceUID, "a file needs SOPClassUID and SOPInstanceUID, one of them is missing")
	}
	if px, err := d.PixelData(); err == nil && native(syntax) != (px.Fragments == nil) {
		return fault(ErrCorrupt, PixelData, "the pixel data is not stored as %s wants it", SyntaxName(syntax))
	}
	meta := &Dataset{}
	meta.SetBytes(FileMetaInformationVersion, OB, []byte{0, 1})
	meta.SetString(MediaStorageSOPClassUID, UI, class)
	meta.SetString(MediaStorageSOPInstanceUID, UI, instance)
	meta.SetString(TransferSyntaxUID, UI, syntax)
	meta.SetString(ImplementationClassUID, UI, implementationClassUID)
	meta.SetString(ImplementationVersionName, SH, implementationVersionName)
	body, err := length(meta, true)
	if err != nil {
		return err
	}
	meta.SetInts(FileMetaInformationGroupLength, UL, int(body))

	out := bufio.NewWriterSize(w, 64<<10)
	_, _ = out.Write(make([]byte, 128)) // bufio keeps the first error for Flush
	_, _ = out.WriteString("DICM")
	if err := writeElements(out, meta, true); err != nil {
		return err
	}
	if syntax == DeflatedExplicitVRLittleEndian {
		var plain bytes.Buffer
		b := bufio.NewWriter(&plain)
		if err := writeElements(b, d, true); err != nil {
			return err
		}
		_ = b.Flush() // a bytes.Buffer does not fail
		var packed bytes.Buffer
		z, err := flate.NewWriter(&packed, flate.DefaultCompression)
		if err != nil {
			return err
		}
		if _, err := z.Write(plain.Bytes()); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
		writeValue(out, packed.Bytes(), 0) // padded to an even length (PS3.5 A.5)
		return out.Flush()
	}
	if err := writeElements(out, d, syntax != ImplicitVRLittleEndian); err != nil {
		return err
	}
	return out.Flush()
}

// length is the number of bytes that the elements of a data set take.
func length(d *Dataset, explicit bool) (int64, error) {
	var n int64
	for i := range d.Elements {
		e := &d.Elements[i]
		m, err := valueLength(e, explicit)
		if err != nil {
			return 0, err
		}
		n += int64(headerLength(e, explicit)) + m
	}
	return n, nil
}

func headerLength(e *Element, explicit bool) int {
	if explicit && e.VR.long() {
		return 12
	}
	return 8
}

func valueLength(e *Element, explicit bool) (int64, error) {
	var n int64
	switch {
	case e.VR == SQ:
		for _, item := range e.Items {
			m, err := length(item, explicit)
			if err != nil {
				return 0, err
			}
			n += 8 + m
		}
	case e.Fragments != nil:
		for _, f := range e.Fragments {
			n += 8 + int64(len(f)+len(f)&1)
		}
		return n + 8, nil // and the delimiter
	default:
		n = int64(len(e.Value) + len(e.Value)&1)
	}
	if n >= undefined || explicit && !e.VR.long() && n > 0xFFFE {
		return 0, fault(ErrLimit, e.Tag, "a value of %d bytes is too long for VR %v", n, e.VR)
	}
	return n, nil
}

func writeElements(w *bufio.Writer, d *Dataset, explicit bool) error {
	var h [12]byte
	for i := range d.Elements {
		e := &d.Elements[i]
		if !e.VR.known() {
			return fault(ErrCorrupt, e.Tag, "its VR %q cannot be written", e.VR.String())
		}
		n, err := valueLength(e, explicit)
		if err != nil {
			return err
		}
		size := uint32(n)
		if e.Fragments != nil {
			size = undefined
		}
		binary.LittleEndian.PutUint16(h[0:], e.Tag.Group())
		binary.LittleEndian.PutUint16(h[2:], e.Tag.Element())
		switch {
		case !explicit:
			binary.LittleEndian.PutUint32(h[4:], size)
		case e.VR.long():
			h[4], h[5], h[6], h[7] = byte(e.VR>>8), byte(e.VR), 0, 0
			binary.LittleEndian.PutUint32(h[8:], size)
		default:
			h[4], h[5] = byte(e.VR>>8), byte(e.VR)
			binary.LittleEndian.PutUint16(h[6:], uint16(n))
		}
		if _, err := w.Write(h[:headerLength(e, explicit)]); err != nil {
			return err
		}
		switch {
		case e.VR == SQ:
			for _, item := range e.Items {
				n, err := length(item, explicit)
				if err != nil {
					return err
				}
				writeItem(w, tagItem, uint32(n))
				if err := writeElements(w, item, explicit); err != nil {
					return err
				}
			}
		case e.Fragments != nil:
			for _, f := range e.Fragments {
				writeItem(w, tagItem, uint32(len(f)+len(f)&1))
				writeValue(w, f, 0)
			}
			writeItem(w, tagSequenceDelimitation, 0)
		default:
			writeValue(w, e.Value, e.VR.padding())
		}
	}
	return nil
}

// writeItem and writeValue leave errors to the writer, which keeps the first one.
func writeItem(w *bufio.Writer, t Tag, length uint32) {
	var h [8]byte
	binary.LittleEndian.PutUint16(h[0:], t.Group())
	binary.LittleEndian.PutUint16(h[2:], t.Element())
	binary.LittleEndian.PutUint32(h[4:], length)
	_, _ = w.Write(h[:])
}

func writeValue(w *bufio.Writer, v []byte, padding byte) {
	_, _ = w.Write(v)
	if len(v)&1 == 1 {
		_ = w.WriteByte(padding)
	}
}
