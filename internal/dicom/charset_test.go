package dicom_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tomocast/tomocast/internal/dicom"
)

// characterSets are the examples of PS3.5 annexes H, I, J and K, one for each single-byte set, and what real files do
// beside the standard.
var characterSets = []struct{ set, value, want string }{
	{"", "Doe^John", "Doe^John"},
	{"ISO_IR 6", "Doe^John", "Doe^John"},
	{"ISO_IR 100", "Buc^J\xe9r\xf4me", "Buc^Jérôme"},
	{"ISO 2022 IR 100", "Buc^J\xe9r\xf4me", "Buc^Jérôme"},
	{"ISO-IR 100", "Buc^J\xe9r\xf4me", "Buc^Jérôme"}, // misspelt
	{"ISO_IR 101", "Wa\xb3\xeasa", "Wałęsa"},
	{"ISO_IR 109", "\xc6a\xfdo", "Ĉaŭo"},
	{"ISO_IR 110", "\xb9\xbe", "šž"},
	{"ISO_IR 126", "\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Διονυσιος"},
	{"ISO_IR 127", "\xe2\xc8\xc7\xe6\xea^\xe4\xe6\xd2\xc7\xd1", "قباني^لنزار"},
	{"ISO_IR 138", "\xf9\xf8\xe5\xef^\xe3\xe1\xe5\xf8\xe4", "שרון^דבורה"},
	{"ISO_IR 144", "\xbb\xee\xdace\xdc\xd1yp\xd3", "Люкceмбypг"},
	{"ISO_IR 148", "\xc7avu\xfeo\xf0lu", "Çavuşoğlu"},
	{"ISO_IR 166", "\xa1\xd2", "กา"},
	{"ISO_IR 203", "\xa4uro", "€uro"},
	{"ISO_IR 192", "Wang^XiaoDong=王^小東=", "Wang^XiaoDong=王^小東="},
	{"ISO_IR 192", "bad \xff\xfe utf", "bad \uFFFD utf"},
	{"GB18030", "Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=", "Wang^XiaoDong=王^小东="},
	{"GBK", "Wang=\xcd\xf5", "Wang=王"},
	{"GB18030", "\x81\\^A", "乗^A"}, // a second byte that is a backslash
	{"ISO_IR 13", "\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ"},
	{`\ISO 2022 IR 87`, "Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B", "Yamada^Tarou=山田^太郎=やまだ^たろう"},
	{`ISO 2022 IR 13\ISO 2022 IR 87`, "\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
		"ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"},
	{`\ISO 2022 IR 159`, "\x1b$(D\x30\x22\x1b(B^A", "丄^A"},
	{`\ISO 2022 IR 149`, "Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf", "Hong^Gildong=洪^吉洞=홍^길동"},
	{`\ISO 2022 IR 58`, "Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=", "Zhang^XiaoDong=张^小东="},
	{`ISO 2022 IR 100\ISO 2022 IR 144`, "J\xe9r^\x1b-L\xbb\xee^\xe9", "Jér^Лю^é"}, // the caret brings the first set back
	{`ISO 2022 IR 100\ISO 2022 IR 126`, "\x1b-F\xc4\xe9^\x1b-A\xe9", "Δι^é"},
	{"ISO_IR 999", "Buc^J\xe9r\xf4me", "Buc^Jérôme"}, // unknown: what it mostly is
	{"", "Jérôme", "Jérôme"},
	{`\ISO 2022 IR 149`, "Hong=\x1b$)C\xfb\xf3^\xd1\xce\xd4\xd7", "Hong=洪^吉洞"}, // the second escape sequence is left out
	{`\ISO 2022 IR 149`, "Hong=\xfb\xf3^\xd1\xce\xd4\xd7", "Hong=洪^吉洞"},        // all are
	{"ISO 2022 IR 149", "\xfb\xf3", "洪"},
	{"ISO_IR 149", "\xfb\xf3", "洪"},
	{`\ISO 2022 IR 58`, "\xd5\xc5", "张"},
	{"ISO 2022 IR 58", "\xd5\xc5", "张"},
	{"ISO_IR 13", "\x8e\x52\x93\x63", "山田"}, // Shift JIS under the name of its half
	{`\ISO 2022 IR 87`, "\x8e\x52\x93\x63", "山田"},
	{`\ISO 2022 IR 100`, "J\xe9r\xf4me", "Jérôme"},
	{"ISO_IR 100", "M\xc3\xbcller", "Müller"}, // UTF-8 under another name
	{"ISO_IR 100", "王^小東", "王^小東"},
	{"UTF-8", "王", "王"},
	{"ISO 8859-2", "Wa\xb3\xeasa", "Wałęsa"},
	{"", "it\x92s", "it’s"}, // Windows-1252
	{"ISO_IR 192", "\x1b$B", "\x1b$B"},
	{`ISO 2022 IR 6\ISO 2022 IR 149`, "A\x1b$)C\xfb\xf3", "A洪"},
}

func TestCharacterSets(t *testing.T) {
	for _, c := range characterSets {
		d := &dicom.Dataset{}
		if c.set != "" {
			d.SetString(dicom.SpecificCharacterSet, dicom.CS, c.set)
		}
		d.SetBytes(dicom.PatientName, dicom.PN, []byte(c.value))
		inner := &dicom.Dataset{}
		inner.SetBytes(dicom.SeriesDescription, dicom.LO, []byte(c.value))
		d.SetSequence(0x00081140, inner)
		got := d.String(dicom.PatientName)
		if got != c.want {
			t.Errorf("%q of %q is %q, want %q", c.value, c.set, got, c.want)
		}
		if in := inner.String(dicom.SeriesDescription); in != got {
			t.Errorf("%q of %q is %q in a sequence item", c.value, c.set, in)
		}
		if code := d.String(dicom.SpecificCharacterSet); code != c.set {
			t.Errorf("the name of the set %q became %q", c.set, code)
		}
	}
	// Damaged text is text all the same.
	for _, damaged := range []string{"\x1b", "\x1b$", "\x1b$B;", "\x1b$(D\x30", "\x1b$)C\xfb", "\x1b(Z\x1b\x1b", "a^\x1b$B^=\\"} {
		for _, set := range []string{"", `\ISO 2022 IR 87`, "ISO_IR 13", "GB18030", "ISO_IR 192"} {
			d := &dicom.Dataset{}
			d.SetString(dicom.SpecificCharacterSet, dicom.CS, set)
			d.SetString(dicom.PatientName, dicom.PN, damaged)
			if got := d.String(dicom.PatientName); !utf8.ValidString(got) {
				t.Errorf("%q of %q is %q", damaged, set, got)
			}
		}
	}
	// An item may have a set of its own.
	d, inner := &dicom.Dataset{}, &dicom.Dataset{}
	d.SetString(dicom.SpecificCharacterSet, dicom.CS, "ISO_IR 100")
	inner.SetString(dicom.SpecificCharacterSet, dicom.CS, "ISO_IR 144")
	inner.SetBytes(dicom.SeriesDescription, dicom.LO, []byte{0xbb, 0xee})
	d.SetSequence(0x00081140, inner)
	if got := inner.String(dicom.SeriesDescription); got != "Лю" {
		t.Errorf("an item's own set: %q", got)
	}
	// Codes are ASCII whatever the set.
	d.SetBytes(dicom.Modality, dicom.CS, []byte("CT"))
	if d.String(dicom.Modality) != "CT" {
		t.Error("a code went through the set")
	}
}

func TestPersonNames(t *testing.T) {
	for s, want := range map[string]string{
		"":         "",
		"Doe":      "Doe",
		"Doe^John": "Doe, John",
		"Adams^John Robert Quincy^^Rev.^B.A. M.Div.": "Adams, Rev. John Robert Quincy, B.A. M.Div.",
		"Morrison-Jones^Susan^^^Ph.D.":               "Morrison-Jones, Susan, Ph.D.",
		"^John":                                      "John",
		" Doe ^ John ":                               "Doe, John",
		"Wang^XiaoDong=王^小東=":                        "Wang, XiaoDong",
		"=王^小東=":                                     "王, 小東",
		"==ほん^きるどん":                                  "ほん, きるどん",
		"^^^^":                                       "",
		"a^b^c^d^e^f^g=h^i^j^k^l^m=n=o=p":            "a, d b c, e",
	} {
		d := &dicom.Dataset{}
		d.SetString(dicom.SpecificCharacterSet, dicom.CS, "ISO_IR 192")
		d.SetString(dicom.PatientName, dicom.PN, s)
		if got := d.PersonName(dicom.PatientName).String(); got != want {
			t.Errorf("%q is %q, want %q", s, got, want)
		}
	}
	n := dicom.ParsePersonName("Hong^Gildong=洪^吉洞=홍^길동")
	if n.Ideographic.Family != "洪" || n.Phonetic.Given != "길동" || n.Alphabetic.Given != "Gildong" {
		t.Errorf("groups %+v", n)
	}
	if got := (&dicom.Dataset{}).PersonName(dicom.PatientName); got != (dicom.PersonName{}) {
		t.Errorf("no name is %+v", got)
	}
}

func TestNumbers(t *testing.T) {
	for s, want := range map[string]float64{
		"1": 1, " -1.5 ": -1.5, "+2": 2, "1e3": 1000, "1E-3": 0.001, ".5": 0.5, "3\\4": 3, "5\x00": 5,
	} {
		d := &dicom.Dataset{}
		d.SetString(dicom.RescaleSlope, dicom.DS, s)
		if f, ok := d.Float(dicom.RescaleSlope); !ok || f != want {
			t.Errorf("%q is %v, %v", s, f, ok)
		}
	}
	for _, s := range []string{"", " ", "x", "1,5", "NaN", "Inf", "-inf", "0x10", "1_000", "1e999", "1 2", "\\1", "--1", "1e", "१"} {
		d := &dicom.Dataset{}
		d.SetString(dicom.RescaleSlope, dicom.DS, s)
		if f, ok := d.Float(dicom.RescaleSlope); ok {
			t.Errorf("%q is %v", s, f)
		}
		if n, ok := d.Int(dicom.RescaleSlope); ok {
			t.Errorf("%q is %v", s, n)
		}
	}
	d := &dicom.Dataset{}
	d.SetString(dicom.ImagePositionPatient, dicom.DS, "1", "x", "3")
	if f, ok := d.Floats(dicom.ImagePositionPatient); ok {
		t.Errorf("a vector with a hole is %v", f)
	}
	d.SetFloats(dicom.WindowWidth, dicom.DS, 1.5)
	if n, ok := d.Int(dicom.WindowWidth); ok {
		t.Errorf("1.5 as a whole number is %d", n)
	}
	d.SetBytes(dicom.Rows, dicom.US, []byte{1})
	if n, ok := d.Int(dicom.Rows); ok {
		t.Errorf("half a number is %d", n)
	}
	d.SetInts(dicom.Rows, dicom.US, 1, 65535)
	if s := d.String(dicom.Rows); s != `1\65535` {
		t.Errorf("two numbers as text are %q", s)
	}
	d.SetBytes(0x00280009, dicom.AT, []byte{0x18, 0, 0x63, 0x10})
	if s := d.String(0x00280009); s != "(0018,1063)" {
		t.Errorf("a tag as text is %q", s)
	}
}

// Text that is not in the set that its file names is read as well as can be, and the file says so.
func TestTextWarnings(t *testing.T) {
	for _, c := range []struct{ set, value, want, warning string }{
		{"ISO_IR 100", "Buc^J\xe9r\xf4me", "Buc^Jérôme", ""},
		{"", "Doe^John", "Doe^John", ""},
		{"ISO_IR 999", "Doe^John", "Doe^John", ""},
		{"ISO_IR 999", "J\xe9r\xf4me", "Jérôme", `character set "ISO_IR 999" is unknown`},
		{"", "J\xe9r\xf4me", "Jérôme", "read as Latin-1"},
		{"", "Jérôme", "Jérôme", "read as UTF-8"},
		{"ISO_IR 100", "Jérôme", "Jérôme", "read as UTF-8"},
		{"ISO_IR 192", "J\xe9r\xf4me", "J\uFFFDr\uFFFDme", "no text in the character set"},
		{"GB18030", "\xff\xff", "\uFFFD\uFFFD", "no text in the character set"},
		{`\ISO 2022 IR 149`, "\xfb\xf3", "洪", "escape sequences are missing"},
	} {
		d := image(2, 2, 0, make([]byte, 8))
		d.SetString(dicom.SpecificCharacterSet, dicom.CS, c.set)
		d.SetBytes(dicom.PatientName, dicom.PN, []byte(c.value))
		got := parse(t, write(t, d))
		if s := got.String(dicom.PatientName); s != c.want {
			t.Errorf("%q of %q is %q, want %q", c.value, c.set, s, c.want)
		}
		warnings := strings.Join(got.Warnings, "; ")
		if !strings.Contains(warnings, c.warning) || c.warning == "" && warnings != "" {
			t.Errorf("%q of %q: warnings %q, want %q", c.value, c.set, warnings, c.warning)
		}
		if strings.Contains(warnings, c.want) {
			t.Errorf("a warning tells the patient's name: %q", warnings)
		}
	}
	// Codes are ASCII; where they are not they are text all the same.
	d := &dicom.Dataset{}
	d.SetBytes(dicom.Modality, dicom.CS, []byte("C\xe9"))
	if s := d.String(dicom.Modality); s != "Cé" {
		t.Errorf("a code beyond ASCII: %q", s)
	}
}
