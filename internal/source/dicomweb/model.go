package dicomweb

import (
	"math"
	"strconv"
	"strings"

	"github.com/tomocast/tomocast/internal/dicom"
)

// Attribute is an attribute in the DICOM JSON model (PS3.18 F.2.2).
type Attribute struct {
	VR           string `json:"vr"`
	Value        []any  `json:"Value,omitempty"`
	InlineBinary []byte `json:"InlineBinary,omitempty"`
}

// Dataset is a data set in the DICOM JSON model: attributes by their tag as eight hexadecimal digits.
type Dataset map[string]Attribute

// maxInline is the longest binary value that metadata carries in itself, bytes. Longer ones are bulk data and are
// left out, as PS3.18 10.4.1.1.2 allows; they are in the instance.
const maxInline = 4 << 10

// availableTransferSyntax is AvailableTransferSyntaxUID (PS3.18 10.6.3.3.1 and PS3.4): how an instance is stored.
const availableTransferSyntax dicom.Tag = 0x00083002

func key(t dicom.Tag) string {
	const digits = "0123456789ABCDEF"
	var b [8]byte
	for i := range b {
		b[i] = digits[t>>(28-4*i)&15]
	}
	return string(b[:])
}

// set puts an attribute with values; empty texts make it an attribute without a value (PS3.18 F.2.5).
func (d Dataset) set(t dicom.Tag, vr dicom.VR, values ...any) {
	if len(values) == 1 && values[0] == "" {
		values = nil
	}
	d[key(t)] = Attribute{VR: vr.String(), Value: values}
}

// text puts a text attribute of one of the VRs that are written as they are.
func (d Dataset) text(t dicom.Tag, vr dicom.VR, value string) { d.set(t, vr, value) }

// texts puts the values of a text attribute that are joined by backslashes.
func (d Dataset) texts(t dicom.Tag, vr dicom.VR, joined string) {
	var values []any
	if joined != "" {
		for v := range strings.SplitSeq(joined, `\`) {
			values = append(values, orNull(v))
		}
	}
	d.set(t, vr, values...)
}

// name puts a person's name (PS3.18 F.2.2, table F.2.3-1).
func (d Dataset) name(t dicom.Tag, value string) {
	if value == "" {
		d.set(t, dicom.PN)
		return
	}
	d.set(t, dicom.PN, personName(value))
}

// number puts a whole number.
func (d Dataset) number(t dicom.Tag, vr dicom.VR, value int) { d.set(t, vr, value) }

// floats puts decimal numbers; none where f is empty.
func (d Dataset) floats(t dicom.Tag, f ...float64) {
	if len(f) == 0 {
		return
	}
	values := make([]any, len(f))
	for i, v := range f {
		values[i] = float(v)
	}
	d.set(t, dicom.DS, values...)
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// personName splits a name into its component groups.
func personName(s string) any {
	groups := map[string]string{}
	names := [...]string{"Alphabetic", "Ideographic", "Phonetic"}
	for i, g := range strings.SplitN(s, "=", len(names)) {
		if g != "" {
			groups[names[i]] = g
		}
	}
	if len(groups) == 0 {
		return nil
	}
	return groups
}

// float is a number of JSON, or a text where JSON has none for it (PS3.18 F.2.4).
func float(f float64) any {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return f
}

// newDataset is all of a data set but its file meta information, group lengths and bulk data.
func newDataset(d *dicom.Dataset) Dataset {
	out := make(Dataset, len(d.Elements))
	for i := range d.Elements {
		e := &d.Elements[i]
		if e.Tag.Element() == 0 || e.Tag.Group() <= 2 || e.Tag.Group() == 0x7FE0 || e.Tag == dicom.DataSetTrailingPadding {
			continue
		}
		if a, ok := newAttribute(d, e); ok {
			out[key(e.Tag)] = a
		}
	}
	return out
}

func newAttribute(d *dicom.Dataset, e *dicom.Element) (Attribute, bool) {
	a := Attribute{VR: e.VR.String()}
	if e.Tag == dicom.SpecificCharacterSet {
		a.Value = []any{"ISO_IR 192"} // JSON is UTF-8 (PS3.18 F.2)
		return a, true
	}
	switch e.VR {
	case dicom.SQ:
		for _, item := range e.Items {
			a.Value = append(a.Value, newDataset(item))
		}
	case dicom.OB, dicom.OD, dicom.OF, dicom.OL, dicom.OV, dicom.OW, dicom.UN:
		if len(e.Value) > maxInline || e.Fragments != nil {
			return a, false
		}
		a.InlineBinary = e.Value
	default:
		for _, s := range d.Strings(e.Tag) {
			a.Value = append(a.Value, value(e.VR, strings.ToValidUTF8(s, "\uFFFD")))
		}
	}
	return a, true
}

// value is one value as JSON has it (PS3.18 table F.2.3-1).
func value(vr dicom.VR, s string) any {
	if s == "" {
		return nil
	}
	switch vr {
	case dicom.PN:
		return personName(s)
	case dicom.AT:
		return strings.NewReplacer("(", "", ")", "", ",", "").Replace(s)
	case dicom.IS, dicom.US, dicom.SS, dicom.UL, dicom.SL, dicom.SV:
		if n, err := strconv.ParseInt(strings.TrimPrefix(s, "+"), 10, 64); err == nil {
			return n
		}
	case dicom.UV:
		if n, err := strconv.ParseUint(s, 10, 64); err == nil {
			return n
		}
	case dicom.DS, dicom.FL, dicom.FD:
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return float(f)
		}
	}
	return s // also a number that is none: PS3.18 F.2.3.1 allows a text
}
