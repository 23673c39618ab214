package dicom

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// charset is the value of SpecificCharacterSet, read (PS3.3 C.12.1.1.2). base decodes text up to the first escape
// sequence; nil is ASCII.
type charset struct {
	base     encoding.Encoding
	utf8     bool
	wholeMul bool // multi-byte characters without escapes (GB18030, GBK): a second byte may be a backslash
	katakana bool // base is JIS X 0201
}

// charset is the character set that applies to the data set: its own, or that of the one around it.
func (d *Dataset) charset() charset {
	for s := d; s != nil; s = s.parent {
		if e := s.Get(SpecificCharacterSet); e != nil {
			return readCharset(string(e.Value))
		}
	}
	return charset{}
}

func readCharset(value string) charset {
	terms := strings.Split(strings.Trim(value, " \x00"), `\`)
	var cs charset
	// "ISO_IR 100", "ISO 2022 IR 100" and misspellings of them in real files differ only in their frame.
	first := strings.NewReplacer("ISO", "", "2022", "", "IR", "", "_", "", "-", "", " ", "").Replace(strings.ToUpper(terms[0]))
	switch first {
	case "192":
		cs.utf8 = true
	case "GB18030":
		cs.base, cs.wholeMul = simplifiedchinese.GB18030, true
	case "GBK":
		cs.base, cs.wholeMul = simplifiedchinese.GBK, true
	case "13":
		cs.katakana = true
	default:
		cs.base = latin[first]
	}
	return cs
}

// latin is the single-byte sets by the number of their registration (PS3.3 table C.12-2).
var latin = map[string]encoding.Encoding{
	"100": charmap.ISO8859_1,
	"101": charmap.ISO8859_2,
	"109": charmap.ISO8859_3,
	"110": charmap.ISO8859_4,
	"144": charmap.ISO8859_5,
	"127": charmap.ISO8859_6,
	"126": charmap.ISO8859_7,
	"138": charmap.ISO8859_8,
	"148": charmap.ISO8859_9,
	"203": charmap.ISO8859_15,
	"166": charmap.Windows874, // TIS 620-2533
}

// decode gives text as UTF-8. Bytes that mean nothing in their set become U+FFFD; nothing fails.
func (cs charset) decode(v []byte) string {
	switch {
	case cs.utf8:
		return strings.ToValidUTF8(string(v), "\uFFFD")
	case cs.wholeMul:
		return convert(cs.base, v)
	case bytes.IndexByte(v, 0x1B) >= 0:
		return cs.decodeISO2022(v)
	}
	return cs.single(v)
}

// single decodes text without escape sequences.
func (cs charset) single(v []byte) string {
	switch {
	case cs.katakana:
		return convert(japanese.ShiftJIS, v) // its single-byte half is JIS X 0201
	case cs.base != nil:
		return convert(cs.base, v)
	case utf8.Valid(v):
		return string(v) // 8 bit text without a character set is a fault; UTF-8 and Latin-1 are what it mostly is
	}
	return convert(charmap.ISO8859_1, v)
}

func convert(e encoding.Encoding, v []byte) string {
	out, err := e.NewDecoder().Bytes(v)
	if err != nil {
		return strings.ToValidUTF8(string(v), "\uFFFD")
	}
	return string(out)
}

// escape is a code element that an escape sequence designates (PS3.3 tables C.12-3 and C.12-4).
type escape struct {
	sequence string
	// double: two bytes per character in G0, so that every byte looks like ASCII.
	double bool
	decode func(v []byte) string
}

var escapes = []escape{
	{"(B", false, nil}, // ASCII
	{"(J", false, func(v []byte) string { return convert(japanese.ShiftJIS, v) }},
	{")I", false, func(v []byte) string { return convert(japanese.ShiftJIS, v) }},
	{"$B", true, func(v []byte) string { return convert(japanese.EUCJP, eucJP(v, false)) }},
	{"$@", true, func(v []byte) string { return convert(japanese.EUCJP, eucJP(v, false)) }},
	{"$(D", true, func(v []byte) string { return convert(japanese.EUCJP, eucJP(v, true)) }},
	{"$)C", false, func(v []byte) string { return convert(korean.EUCKR, v) }},
	{"$)A", false, func(v []byte) string { return convert(simplifiedchinese.GBK, v) }},
	{"-A", false, func(v []byte) string { return convert(charmap.ISO8859_1, v) }},
	{"-B", false, func(v []byte) string { return convert(charmap.ISO8859_2, v) }},
	{"-C", false, func(v []byte) string { return convert(charmap.ISO8859_3, v) }},
	{"-D", false, func(v []byte) string { return convert(charmap.ISO8859_4, v) }},
	{"-L", false, func(v []byte) string { return convert(charmap.ISO8859_5, v) }},
	{"-G", false, func(v []byte) string { return convert(charmap.ISO8859_6, v) }},
	{"-F", false, func(v []byte) string { return convert(charmap.ISO8859_7, v) }},
	{"-H", false, func(v []byte) string { return convert(charmap.ISO8859_8, v) }},
	{"-M", false, func(v []byte) string { return convert(charmap.ISO8859_9, v) }},
	{"-b", false, func(v []byte) string { return convert(charmap.ISO8859_15, v) }},
	{"-T", false, func(v []byte) string { return convert(charmap.Windows874, v) }},
}

// eucJP moves JIS X 0208 or 0212 characters from G0 to where EUC-JP has them.
func eucJP(v []byte, supplementary bool) []byte {
	out := make([]byte, 0, len(v)*3/2)
	for len(v) >= 2 {
		if supplementary {
			out = append(out, 0x8F)
		}
		out = append(out, v[0]|0x80, v[1]|0x80)
		v = v[2:]
	}
	return out
}

// decodeISO2022 decodes text with escape sequences. Separators of values and of name components bring back the
// first character set (PS3.5 6.1.2.5.3).
func (cs charset) decodeISO2022(v []byte) string {
	var out strings.Builder
	var now *escape
	start := 0
	flush := func(end int) {
		part := v[start:end]
		switch {
		case len(part) == 0:
		case now == nil || now.decode == nil:
			out.WriteString(cs.single(part))
		default:
			out.WriteString(now.decode(part))
		}
	}
	for i := 0; i < len(v); {
		switch b := v[i]; {
		case b == 0x1B:
			flush(i)
			now, i = nil, i+1
			for k := range escapes {
				if bytes.HasPrefix(v[i:], []byte(escapes[k].sequence)) {
					now = &escapes[k]
					i += len(now.sequence)
					break
				}
			}
			start = i
		case now != nil && now.double && b >= 0x21:
			i += 2
		case b == '\\' || b == '^' || b == '=' || b == '\r' || b == '\n':
			flush(i)
			now, start = nil, i
			i++
		default:
			i++
		}
		i = min(i, len(v))
	}
	flush(len(v))
	return out.String()
}
