package dicomweb

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tomocast/tomocast/internal/dicom"
)

// maxInline is the longest binary value that metadata carries in itself, bytes. Longer ones are bulk data and are
// left out, as PS3.18 10.4.1.1.2 allows; they are in the instance.
const maxInline = 4 << 10

// availableTransferSyntax is AvailableTransferSyntaxUID: how an instance is stored (PS3.18 table 10.6.3-5).
const availableTransferSyntax dicom.Tag = 0x00083002

// appendDataset writes a data set in the DICOM JSON model (PS3.18 annex F), without file meta information, group
// lengths and bulk data.
func appendDataset(b []byte, d *dicom.Dataset) []byte {
	b = append(b, '{')
	first := true
	for i := range d.Elements {
		e := &d.Elements[i]
		if bulk(e) || e.Tag.Element() == 0 || e.Tag.Group() <= 2 || e.Tag == dicom.DataSetTrailingPadding {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, '"')
		b = appendTag(b, e.Tag)
		b = append(b, `":{"vr":"`...)
		b = append(b, e.VR.String()...)
		b = append(b, '"')
		b = appendValues(b, d, e)
		b = append(b, '}')
	}
	return append(b, '}')
}

// bulk says whether an element is too long for metadata.
func bulk(e *dicom.Element) bool {
	return e.Tag.Group() == 0x7FE0 || e.Fragments != nil || binaryVR(e.VR) && len(e.Value) > maxInline
}

// binaryVR says whether a value is bytes to JSON.
func binaryVR(vr dicom.VR) bool {
	switch vr {
	case dicom.OB, dicom.OD, dicom.OF, dicom.OL, dicom.OV, dicom.OW, dicom.UN:
		return true
	}
	return false
}

func appendTag(b []byte, t dicom.Tag) []byte {
	const digits = "0123456789ABCDEF"
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, digits[t>>shift&15])
	}
	return b
}

// appendValues writes the Value or InlineBinary of an attribute; nothing where it has no value (PS3.18 F.2.5).
func appendValues(b []byte, d *dicom.Dataset, e *dicom.Element) []byte {
	switch {
	case e.Tag == dicom.SpecificCharacterSet:
		return append(b, `,"Value":["ISO_IR 192"]`...) // JSON is UTF-8 (PS3.18 F.2)
	case binaryVR(e.VR):
		if len(e.Value) == 0 {
			return b
		}
		b = append(b, `,"InlineBinary":"`...)
		b = base64.StdEncoding.AppendEncode(b, e.Value)
		return append(b, '"')
	case e.VR == dicom.SQ:
		if len(e.Items) == 0 {
			return b
		}
		b = append(b, `,"Value":[`...)
		for i, item := range e.Items {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendDataset(b, item)
		}
		return append(b, ']')
	}
	values := d.Strings(e.Tag)
	if len(values) == 0 {
		return b
	}
	b = append(b, `,"Value":[`...)
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendValue(b, e.VR, v)
	}
	return append(b, ']')
}

// appendValue writes one value (PS3.18 table F.2.3-1). A number that is none is written as text, as F.2.3.1 allows.
func appendValue(b []byte, vr dicom.VR, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	switch vr {
	case dicom.PN:
		return appendName(b, s)
	case dicom.AT:
		s = strings.NewReplacer("(", "", ")", "", ",", "").Replace(s)
	case dicom.IS, dicom.US, dicom.SS, dicom.UL, dicom.SL, dicom.SV, dicom.UV:
		n, err := strconv.ParseInt(s, 10, 64)
		if err == nil {
			return strconv.AppendInt(b, n, 10)
		}
		if u, err := strconv.ParseUint(s, 10, 64); err == nil {
			return strconv.AppendUint(b, u, 10)
		}
	case dicom.DS, dicom.FL, dicom.FD:
		f, err := strconv.ParseFloat(s, 64)
		switch {
		case err != nil:
		case math.IsNaN(f): // these three have names only (PS3.18 F.2.4)
			return append(b, `"NaN"`...)
		case math.IsInf(f, 1):
			return append(b, `"Infinity"`...)
		case math.IsInf(f, -1):
			return append(b, `"-Infinity"`...)
		default:
			return strconv.AppendFloat(b, f, 'g', -1, 64)
		}
	}
	return appendText(b, s)
}

// appendName writes a person's name by its component groups.
func appendName(b []byte, s string) []byte {
	b = append(b, '{')
	first := true
	names := [...]string{"Alphabetic", "Ideographic", "Phonetic"}
	for i, group := range strings.SplitN(s, "=", len(names)) {
		if group == "" {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, '"')
		b = append(b, names[i]...)
		b = append(b, `":`...)
		b = appendText(b, group)
	}
	return append(b, '}')
}

// appendText writes a JSON string.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic(err) // cannot happen: a string can always be written, what is no UTF-8 as U+FFFD
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
