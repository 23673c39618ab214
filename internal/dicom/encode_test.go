package dicom_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
)

// These put files together byte by byte as PS3.5 chapter 7 has them, apart from the writer, so that the parser is not
// tested against its own brother.

const undefinedLength = 0xFFFFFFFF

func le16(n int) []byte { return binary.LittleEndian.AppendUint16(nil, uint16(n)) }
func le32(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func tagBytes(t dicom.Tag) []byte { return cat(le16(int(t.Group())), le16(int(t.Element()))) }

// ex is an explicit little endian element whose length may lie.
func exLength(t dicom.Tag, vr string, length int, value []byte) []byte {
	switch vr {
	case "OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV":
		return cat(tagBytes(t), []byte(vr), []byte{0, 0}, le32(length), value)
	}
	return cat(tagBytes(t), []byte(vr), le16(length), value)
}

func ex(t dicom.Tag, vr string, value []byte) []byte { return exLength(t, vr, len(value), value) }

func im(t dicom.Tag, value []byte) []byte { return cat(tagBytes(t), le32(len(value)), value) }

const (
	itemTag              dicom.Tag = 0xFFFEE000
	itemDelimiterTag     dicom.Tag = 0xFFFEE00D
	sequenceDelimiterTag dicom.Tag = 0xFFFEE0DD
)

// item has a length, openItem a delimiter.
func item(content ...[]byte) []byte { return im(itemTag, cat(content...)) }

func openItem(content ...[]byte) []byte {
	return cat(tagBytes(itemTag), le32(undefinedLength), cat(content...), im(itemDelimiterTag, nil))
}

// openSequence is an explicit sequence with a delimiter, openImplicit an implicit one.
func openSequence(t dicom.Tag, vr string, items ...[]byte) []byte {
	return exLength(t, vr, undefinedLength, cat(cat(items...), im(sequenceDelimiterTag, nil)))
}

func openImplicit(t dicom.Tag, items ...[]byte) []byte {
	return cat(tagBytes(t), le32(undefinedLength), cat(items...), im(sequenceDelimiterTag, nil))
}

// file is a file with the least meta information: its transfer syntax.
func file(syntax string, body ...[]byte) []byte {
	if len(syntax)%2 == 1 {
		syntax += "\x00"
	}
	return cat(make([]byte, 128), []byte("DICM"), ex(dicom.TransferSyntaxUID, "UI", []byte(syntax)), cat(body...))
}

func parse(t testing.TB, data []byte) *dicom.Dataset {
	t.Helper()
	d, err := dicom.Parse(data, dicom.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func write(t testing.TB, d *dicom.Dataset) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := dicom.Write(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
