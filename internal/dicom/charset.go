package dicom

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// charset is the value of SpecificCharacterSet, read (PS3.3 C.12.1.1.2).
type charset struct {
	// base decodes text up to the first escape sequence; nil is ASCII.
	base encoding.Encoding
	// beyond decodes bytes above 127 that stand where base has none, as they do in files that leave out the escape
	// sequences of their further sets; nil where nothing is known.
	beyond encoding.Encoding
	utf8   bool
	// whole says that characters have several bytes without any escapes (GB18030, GBK): a second byte may be a
	// backslash.
	whole bool
	// latin1 says that base is Latin-1, the set that files name most often by mistake.
	latin1 bool
	// unknown is the first term that means nothing; empty for most.
	unknown string
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

// unframed takes from a term what is around its number: "ISO_IR 100", "ISO 2022 IR 100" and misspellings of them in
// real files differ in nothing else.
var unframed = strings.NewReplacer("ISO", "", "2022", "", "IR", "", "_", "", "-", "", " ", "", "\x00", "")

func readCharset(value string) charset {
	var cs charset
	for i, term := range strings.SplitN(strings.Trim(value, " \x00"), `\`, 8) {
		code := unframed.Replace(strings.ToUpper(term))
		set, known := sets[code]
		switch {
		case !known:
			if cs.unknown == "" {
				cs.unknown = strings.TrimSpace(term)
			}
		case i > 0:
			if cs.beyond == nil {
				cs.beyond = set.encoding
			}
		case set.always:
			cs.utf8, cs.base, cs.whole = set.encoding == nil, set.encoding, set.encoding != nil
			return cs // PS3.3 C.12.1.1.2: such a set stands alone
		default:
			cs.base, cs.latin1 = set.encoding, set.encoding == charmap.ISO8859_1
		}
	}
	return cs
}

// set is a character set: its encoding, nil for ASCII, and whether it uses more than one byte without escapes.
type set struct {
	encoding encoding.Encoding
	always   bool
}

// sets are the sets by the number of their registration, or by their name without what is around it (PS3.3 tables
// C.12-2 to C.12-5), and names that files have for them. Japanese and Korean sets of several bytes come with escape
// sequences; what stands without is in the encoding that computers there use for it.
var sets = map[string]set{
	"": {}, "6": {}, "646": {},
	"100": {charmap.ISO8859_1, false}, "88591": {charmap.ISO8859_1, false}, "LATIN1": {charmap.ISO8859_1, false},
	"101": {charmap.ISO8859_2, false}, "88592": {charmap.ISO8859_2, false},
	"109": {charmap.ISO8859_3, false}, "88593": {charmap.ISO8859_3, false},
	"110": {charmap.ISO8859_4, false}, "88594": {charmap.ISO8859_4, false},
	"144": {charmap.ISO8859_5, false}, "88595": {charmap.ISO8859_5, false},
	"127": {charmap.ISO8859_6, false}, "88596": {charmap.ISO8859_6, false},
	"126": {charmap.ISO8859_7, false}, "88597": {charmap.ISO8859_7, false},
	"138": {charmap.ISO8859_8, false}, "88598": {charmap.ISO8859_8, false},
	"148": {charmap.ISO8859_9, false}, "88599": {charmap.ISO8859_9, false},
	"203": {charmap.ISO8859_15, false}, "885915": {charmap.ISO8859_15, false},
	"166": {charmap.Windows874, false}, // TIS 620-2533
	"13":  {japanese.ShiftJIS, false},  // its single-byte half is JIS X 0201
	"14":  {japanese.ShiftJIS, false},
	"87":  {japanese.ShiftJIS, false},
	"159": {japanese.ShiftJIS, false},
	"149": {korean.EUCKR, false},
	"58":  {simplifiedchinese.GBK, false},
	"192": {nil, true}, "UTF8": {nil, true},
	"GB18030": {simplifiedchinese.GB18030, true},
	"GBK":     {simplifiedchinese.GBK, true}, "GB2312": {simplifiedchinese.GBK, true},
}

// doubt is why decoded text may not be what was meant.
type doubt string

const (
	sure         doubt = ""
	takenAsUTF8  doubt = "it is not in the character set that the file names, and was read as UTF-8"
	takenAsLatin doubt = "the file names no character set for it, and it was read as Latin-1"
	takenAsOther doubt = "escape sequences are missing, and it was read in the character set that the file names for them"
	notText      doubt = "some of it is no text in the character set that the file names"
)

// decode gives text as UTF-8, and why it may be wrong. Bytes that mean nothing in their set become U+FFFD; nothing
// fails.
func (cs charset) decode(v []byte) (string, doubt) {
	var s string
	why := sure
	switch {
	case cs.utf8:
		s = strings.ToValidUTF8(string(v), "\uFFFD")
	case cs.whole:
		s = convert(cs.base, v)
	case bytes.IndexByte(v, 0x1B) >= 0:
		s, why = cs.decodeISO2022(v)
	default:
		s, why = cs.single(v)
	}
	if why == sure && strings.ContainsRune(s, '\uFFFD') {
		why = notText
	}
	return s, why
}

// single decodes text without escape sequences.
func (cs charset) single(v []byte) (string, doubt) {
	switch {
	case ascii(v):
		return string(v), sure
	case cs.latin1 && utf8.Valid(v):
		// Latin-1 has symbols and control codes where UTF-8 has its second bytes: no name has them after its capitals.
		return string(v), takenAsUTF8
	case cs.base != nil:
		return convert(cs.base, v), sure
	case cs.beyond != nil:
		return convert(cs.beyond, v), takenAsOther
	case utf8.Valid(v):
		return string(v), takenAsUTF8
	}
	return convert(charmap.Windows1252, v), takenAsLatin // Latin-1, and letters where that has control codes
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
// first character set (PS3.5 6.1.2.5.3); where that has no bytes above 127, the one that was last in use is meant, by
// writers that leave out the next escape sequence.
func (cs charset) decodeISO2022(v []byte) (string, doubt) {
	var out strings.Builder
	var now, last *escape
	why := sure
	start := 0
	flush := func(end int) {
		part := v[start:end]
		switch {
		case len(part) == 0:
		case now != nil && now.decode != nil:
			out.WriteString(now.decode(part))
		case cs.base == nil && last != nil && !ascii(part):
			out.WriteString(last.decode(part))
			why = takenAsOther
		default:
			s, d := cs.single(part)
			out.WriteString(s)
			if d != sure {
				why = d
			}
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
			if now == nil {
				out.WriteRune('\uFFFD') // a set that nobody knows
			} else if now.decode != nil && !now.double {
				last = now
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
	return out.String(), why
}

// textWarnings says where text of the data set itself may not be what was meant.
func (d *Dataset) textWarnings() {
	var cs charset
	read := false
	for i := range d.Elements {
		e := &d.Elements[i]
		if !e.VR.text() || e.Tag.Private() || len(e.Value) > 1<<16 || ascii(e.Value) {
			continue
		}
		if !read {
			cs, read = d.charset(), true
			if cs.unknown != "" {
				d.warn(fmt.Sprintf("the character set %.32q is unknown", cs.unknown))
			}
		}
		if _, why := cs.decode(bytes.TrimRight(e.Value, " \x00")); why != sure {
			d.warn(fmt.Sprintf("text such as %v: %s", e.Tag, why))
			return
		}
	}
}
