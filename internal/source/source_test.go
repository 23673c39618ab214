package source

import (
	"strings"
	"testing"
)

func TestCheckUID(t *testing.T) {
	for uid, ok := range map[string]bool{
		"1.2.840.10008.1.2":            true,
		"2.25.0":                       true,
		"1.02.3":                       true, // a leading zero, seen in the field
		strings.Repeat("1", 64):        true,
		strings.Repeat("1", 65):        false,
		"":                             false,
		".":                            false,
		"..":                           false,
		"1..2":                         false,
		".1":                           false,
		"1.":                           false,
		"../etc/passwd":                false,
		"1.2/3":                        false,
		"1.2\x00":                      false,
		"1.2.840.10008.1.2.\u0661":     false, // a digit, but not of ASCII
		"1.2.840.10008.1.2 ":           false,
		"urn:oid:1.2.840.10008.1.2.4.": false,
	} {
		err := CheckUID("the study", uid)
		if (err == nil) != ok {
			t.Errorf("CheckUID(%q) = %v", uid, err)
		}
		if err != nil && !strings.Contains(err.Error(), "the study") {
			t.Errorf("the error does not name what is wrong: %v", err)
		}
	}
}

func TestHashUID(t *testing.T) {
	h := HashUID("1.2.3")
	if HashUID("") != "none" || len(h) != 12 || h == HashUID("1.2.4") || h != HashUID("1.2.3") || strings.Contains(h, ".") {
		t.Errorf("HashUID = %q", h)
	}
}

func TestVolumeReason(t *testing.T) {
	slice := func() *Instance {
		return &Instance{SOPClassUID: "1.2.840.10008.5.1.4.1.1.2", Rows: 2, Columns: 2, Frames: 1, Position: &[3]float64{}, Orientation: &[6]float64{1, 0, 0, 0, 1, 0}, Spacing: &[2]float64{1, 1}}
	}
	lost := slice()
	lost.Position = nil
	multi := slice()
	multi.Frames = 30
	colour := slice()
	colour.Samples = 3
	capture := slice()
	capture.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
	scout := slice()
	scout.ImageType = `ORIGINAL\PRIMARY\LOCALIZER`
	for name, c := range map[string]struct {
		list []*Instance
		want string // part of the reason; empty: a volume
	}{
		"three slices":         {[]*Instance{slice(), slice(), slice()}, ""},
		"a scout among slices": {[]*Instance{lost, slice(), slice(), slice()}, ""},
		"two slices":           {[]*Instance{slice(), slice()}, ""},
		"one slice":            {[]*Instance{slice()}, "single image: a CT image"},
		"nowhere":              {[]*Instance{lost, lost, slice()}, "Only 1 of 3"},
		"a clip":               {[]*Instance{{SOPClassUID: "1.2.840.10008.5.1.4.1.1.3.1", Rows: 2, Columns: 2, Frames: 40}}, "an ultrasound clip of 40 images"},
		"enhanced":             {[]*Instance{{SOPClassUID: enhancedMR, Rows: 2, Columns: 2, Frames: 40}}, ""},
		"functional groups":    {[]*Instance{{Groups: true, Rows: 2, Columns: 2, Frames: 40}}, ""},
		"segmentation":         {[]*Instance{{SOPClassUID: segmentation, Groups: true, Rows: 2, Columns: 2, Frames: 40}}, "a segmentation, which belongs"},
		"colour images":        {[]*Instance{colour, colour}, "2 images which are no slices"},
		"secondary captures":   {[]*Instance{capture, capture, capture}, "no slices of a volume"},
		"localizers":           {[]*Instance{scout, scout}, "no slices of a volume"},
		"slices and a scout":   {[]*Instance{scout, slice(), slice()}, ""},
		"colour in groups":     {[]*Instance{{Groups: true, Rows: 2, Columns: 2, Frames: 40, Samples: 3}}, "of 40 images"},
		"placeless":            {[]*Instance{lost, lost, lost}, "None of the 3"},
		"multi-frame":          {[]*Instance{multi}, "of 30 images"},
		"a document":           {[]*Instance{{SOPClassUID: "1.2.840.10008.5.1.4.1.1.104.1"}}, "a PDF document, without images"},
		"reports":              {[]*Instance{{SOPClassUID: "1.2.840.10008.5.1.4.1.1.88.33"}, {}, {}}, "3 objects without images; the first is a structured report"},
		"research":             {[]*Instance{{Media: MediaNIfTI}}, ""},
		"nothing":              {nil, "no images"},
	} {
		got := VolumeReason(c.list)
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// From one instance and their number a list says what a series probably is.
func TestGuess(t *testing.T) {
	ct := Instance{SOPClassUID: storageClass + "2", Rows: 2, Columns: 3, Frames: 1}
	enhanced := Instance{SOPClassUID: enhancedCT, Rows: 2, Columns: 3, Frames: 50}
	clip := Instance{SOPClassUID: storageClass + "3.1", Rows: 2, Columns: 3, Frames: 50}
	pdf := Instance{SOPClassUID: storageClass + "104.1"}
	for name, c := range map[string]struct {
		n      int
		sample Instance
		images int
		reason string
	}{
		"CT":          {100, ct, 100, ""},
		"one CT":      {1, ct, 1, "single image: a CT image"},
		"enhanced CT": {1, enhanced, 50, ""},
		"a clip":      {1, clip, 50, "an ultrasound clip of 50 images"},
		"clips":       {3, clip, 150, "150 images, the first of them an ultrasound clip"},
		"a document":  {1, pdf, 0, "a PDF document"},
		"documents":   {2, pdf, 0, "2 objects without images"},
		"unknown":     {0, ct, 1, "single image"},
	} {
		s := SeriesInfo{InstanceCount: c.n}
		s.Guess(&c.sample)
		if s.Volume != (c.reason == "") || !strings.Contains(s.Reason, c.reason) || s.Images != c.images || s.Kind == "" {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestMatchText(t *testing.T) {
	for _, c := range []struct {
		pattern, value string
		want           bool
	}{
		{"", "anything", true},
		{"*", "", true},
		{"CT", "CT", true},
		{"ct", "CT", true},
		{"CT", "CTA", false},
		{"C?", "CT", true},
		{"C?", "C", false},
		{"*contrast*", "Chest with Contrast", true},
		{"chest*", "Chest with Contrast", true},
		{"*chest", "Chest with Contrast", false},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "aXbYbZ", false},
		{"M?LLER", "Müller", true},
		{"two", `one\two`, true},
		{"?", "", false},
	} {
		if got := MatchText(c.pattern, c.value); got != c.want {
			t.Errorf("MatchText(%q, %q) = %v", c.pattern, c.value, got)
		}
	}
	// A pattern made to take exponential time must not.
	if MatchText(strings.Repeat("*a", 200)+"b", strings.Repeat("a", 1024)) {
		t.Error("matched")
	}
}

func TestMatchName(t *testing.T) {
	for _, c := range []struct {
		pattern, value string
		want           bool
	}{
		{"doe^john", "Doe^John", true},
		{"Doe^John^^", "Doe^John", true},
		{"Doe", "Doe^John", false},
		{"Doe*", "Doe^John", true},
		{"*john*", "Doe^John", true},
		{"Yamada^Tarou", "Yamada^Tarou=山田^太郎=やまだ^たろう", true},
		{"山田*", "Yamada^Tarou=山田^太郎=やまだ^たろう", true},
		{"Yamada", "Yamada^Tarou=山田^太郎", false},
		{"Doe", "", false},
	} {
		if got := MatchName(c.pattern, c.value); got != c.want {
			t.Errorf("MatchName(%q, %q) = %v", c.pattern, c.value, got)
		}
	}
}

func TestMatchRange(t *testing.T) {
	for _, c := range []struct {
		pattern, value string
		want           bool
	}{
		{"", "", true},
		{"20240131", "20240131", true},
		{"20240131", "20240201", false},
		{"20240101-20240131", "20240131", true},
		{"20240101-20240131", "20240201", false},
		{"20240101-20240131", "20231231", false},
		{"-20240131", "19991231", true},
		{"-20240131", "20240201", false},
		{"20240131-", "20240131", true},
		{"20240131-", "20240130", false},
		{"20240131", "2024.01.31", true}, // as ACR-NEMA wrote it
		{"20240131", "", false},
		{"20240131-", "", false},
		{"1030", "103059.123", true},
		{"1030", "103100", false},
		{"103000", "1030", true},
		{"1030-1130", "113059", true},
		{"1030-1130", "113100", false},
		{"1030-1130", "102959", false},
	} {
		if got := MatchRange(c.pattern, c.value); got != c.want {
			t.Errorf("MatchRange(%q, %q) = %v", c.pattern, c.value, got)
		}
	}
}

func TestQueryText(t *testing.T) {
	s := &Study{StudyAttributes: StudyAttributes{PatientName: "Doe^John", PatientID: "17", Description: "CT Chest", StudyDate: "20240131"}, Modalities: []string{"CT"}}
	for text, want := range map[string]bool{"": true, "doe": true, "john chest": true, "chest 2024": true, "john mr": false, "17": true} {
		if q := (Query{Text: text}); q.MatchStudy(s) != want {
			t.Errorf("text %q: want %v", text, want)
		}
	}
}

func TestPage(t *testing.T) {
	const most = 1<<63 - 1
	for _, c := range []struct{ offset, limit, n, from, to int }{
		{0, 0, 30, 0, 10},
		{0, 5, 30, 0, 5},
		{0, 500, 30, 0, 10},
		{25, 10, 30, 25, 30},
		{30, 10, 30, 30, 30},
		{most, most, 30, 30, 30},
		{-5, 5, 30, 0, 5},
		{0, -1, 30, 0, 10},
		{0, 0, 0, 0, 0},
	} {
		q := Query{Offset: c.offset, Limit: c.limit}
		if from, to := q.Page(c.n, 10); from != c.from || to != c.to {
			t.Errorf("Page of %+v = %d, %d", c, from, to)
		}
	}
}
