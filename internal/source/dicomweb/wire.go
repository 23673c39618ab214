package dicomweb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/tomocast/tomocast/internal/source"
)

// errNoJSON: the answer is of another kind than its type says.
var errNoJSON = errors.New("the answer is no DICOM JSON")

// maxListed is how many data sets a client takes from one answer.
const maxListed = 1_000_000

// decodeList reads an array of data sets, one at a time, from at most limit bytes.
func decodeList[T any](in io.Reader, limit int64, each func(*T) error) error {
	bounded := &io.LimitedReader{R: in, N: limit}
	dec := json.NewDecoder(bounded)
	fault := func(err error) error {
		switch {
		case bounded.N <= 0:
			return fmt.Errorf("the answer is longer than the %d bytes allowed: %w", limit, source.ErrLimit)
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return errTruncated
		}
		return fmt.Errorf("%w: %v", errNoJSON, err)
	}
	if t, err := dec.Token(); err != nil {
		return fault(err)
	} else if t != json.Delim('[') {
		return fmt.Errorf("%w: it does not begin with an array", errNoJSON)
	}
	for n := 0; dec.More(); n++ {
		if n == maxListed {
			return fmt.Errorf("the answer lists more than %d: %w", maxListed, source.ErrLimit)
		}
		var v T
		// A value of a wrong type stays empty and the rest is read: what is needed is checked afterwards.
		var wrongType *json.UnmarshalTypeError
		if err := dec.Decode(&v); err != nil && !errors.As(err, &wrongType) {
			return fault(err)
		}
		if err := each(&v); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return fault(err)
	}
	return nil
}

// attr is an attribute (PS3.18 F.2.2); only its values matter here.
type attr struct{ Value []any }

// given says whether an attribute has a value. The groups of a thousand frames are not taken apart for it.
type given bool

func (g *given) UnmarshalJSON(text []byte) error {
	*g = given(bytes.Contains(text, []byte(`"Value"`)))
	return nil
}

// text is the values as text, joined by backslashes; of a name, its component groups joined by equals signs.
func (a attr) text() string {
	var parts []string
	for _, v := range a.Value {
		switch v := v.(type) {
		case string:
			parts = append(parts, v)
		case float64:
			parts = append(parts, strconv.FormatFloat(v, 'f', -1, 64))
		case map[string]any:
			var groups []string
			for _, name := range []string{"Alphabetic", "Ideographic", "Phonetic"} {
				g, _ := v[name].(string)
				groups = append(groups, g)
			}
			parts = append(parts, strings.TrimRight(strings.Join(groups, "="), "="))
		default:
			parts = append(parts, "")
		}
	}
	return strings.Join(parts, `\`)
}

// floats is the values as numbers; false where one of them is none. Servers send DS as numbers or as texts.
func (a attr) floats() ([]float64, bool) {
	out := make([]float64, len(a.Value))
	for i, v := range a.Value {
		switch v := v.(type) {
		case float64:
			out[i] = v
		case string:
			f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
			if err != nil || f != f || f-f != 0 {
				return nil, false
			}
			out[i] = f
		default:
			return nil, false
		}
	}
	return out, len(a.Value) > 0
}

// first is the attribute with its first value only.
func (a attr) first() attr { return attr{a.Value[:min(len(a.Value), 1)]} }

func (a attr) float() float64 {
	if f, ok := a.first().floats(); ok {
		return f[0]
	}
	return 0
}

func (a attr) int() int {
	f := a.float()
	if f > 1<<31-1 || f < -1<<31 {
		return 0
	}
	return int(f)
}

// pair is two attributes' first values.
func pair(a, b attr) *[2]float64 {
	x, okX := a.first().floats()
	y, okY := b.first().floats()
	if !okX || !okY {
		return nil
	}
	return &[2]float64{x[0], y[0]}
}

// wireStudy is a study as QIDO-RS lists it.
type wireStudy struct {
	Date         attr `json:"00080020"`
	Time         attr `json:"00080030"`
	Accession    attr `json:"00080050"`
	Modalities   attr `json:"00080061"`
	Referring    attr `json:"00080090"`
	Description  attr `json:"00081030"`
	PatientName  attr `json:"00100010"`
	PatientID    attr `json:"00100020"`
	Issuer       attr `json:"00100021"`
	BirthDate    attr `json:"00100030"`
	Sex          attr `json:"00100040"`
	UID          attr `json:"0020000D"`
	ID           attr `json:"00200010"`
	NumSeries    attr `json:"00201206"`
	NumInstances attr `json:"00201208"`
}

func (w *wireStudy) study() *source.Study {
	s := &source.Study{
		StudyAttributes: source.StudyAttributes{
			StudyInstanceUID:   w.UID.text(),
			StudyDate:          w.Date.text(),
			StudyTime:          w.Time.text(),
			StudyID:            w.ID.text(),
			Description:        w.Description.text(),
			AccessionNumber:    w.Accession.text(),
			ReferringPhysician: w.Referring.text(),
			PatientName:        w.PatientName.text(),
			PatientID:          w.PatientID.text(),
			IssuerOfPatientID:  w.Issuer.text(),
			PatientBirthDate:   w.BirthDate.text(),
			PatientSex:         w.Sex.text(),
		},
		SeriesCount: w.NumSeries.int(), InstanceCount: w.NumInstances.int(), Images: w.NumInstances.int(),
	}
	for m := range strings.FieldsFuncSeq(w.Modalities.text(), func(r rune) bool { return r == '\\' || r == ',' }) {
		if m = strings.TrimSpace(m); m != "" && !slices.Contains(s.Modalities, m) {
			s.Modalities = append(s.Modalities, m)
		}
	}
	slices.Sort(s.Modalities)
	return s
}

// wireSeries is a series as QIDO-RS lists it.
type wireSeries struct {
	Modality     attr `json:"00080060"`
	Description  attr `json:"0008103E"`
	BodyPart     attr `json:"00180015"`
	Protocol     attr `json:"00181030"`
	PatientPos   attr `json:"00185100"`
	UID          attr `json:"0020000E"`
	FrameOfRef   attr `json:"00200052"`
	Number       attr `json:"00200011"`
	NumInstances attr `json:"00201209"`
	Media        attr `json:"00420012"`
}

func (w *wireSeries) info() source.SeriesInfo {
	return source.SeriesInfo{
		SeriesAttributes: source.SeriesAttributes{
			SeriesInstanceUID:   w.UID.text(),
			Modality:            w.Modality.text(),
			Description:         w.Description.text(),
			BodyPart:            w.BodyPart.text(),
			ProtocolName:        w.Protocol.text(),
			FrameOfReferenceUID: w.FrameOfRef.text(),
			PatientPosition:     w.PatientPos.text(),
			Number:              w.Number.int(),
		},
		InstanceCount: w.NumInstances.int(),
		Media:         researchMedia(w.Media),
	}
}

// researchMedia is the media type of research files, which travels as that of an encapsulated document.
func researchMedia(a attr) string {
	switch m := a.text(); m {
	case source.MediaNIfTI, source.MediaNRRD:
		return m
	}
	return ""
}

// real is a number where the attribute has one.
func (a attr) real() *float64 {
	f, ok := a.first().floats()
	if !ok {
		return nil
	}
	return &f[0]
}

// wireInstance is what a volume's plan needs of an instance's metadata.
type wireInstance struct {
	ImageType         attr  `json:"00080008"`
	SOPClassUID       attr  `json:"00080016"`
	SOPInstanceUID    attr  `json:"00080018"`
	AcquisitionTime   attr  `json:"00080032"`
	TransferSyntax    attr  `json:"00083002"`
	SliceThickness    attr  `json:"00180050"`
	AcquisitionNumber attr  `json:"00200012"`
	Number            attr  `json:"00200013"`
	Position          attr  `json:"00200032"`
	Orientation       attr  `json:"00200037"`
	TemporalPosition  attr  `json:"00200100"`
	Samples           attr  `json:"00280002"`
	Photometric       attr  `json:"00280004"`
	Frames            attr  `json:"00280008"`
	Rows              attr  `json:"00280010"`
	Columns           attr  `json:"00280011"`
	Spacing           attr  `json:"00280030"`
	BitsAllocated     attr  `json:"00280100"`
	BitsStored        attr  `json:"00280101"`
	Signed            attr  `json:"00280103"`
	WindowCenter      attr  `json:"00281050"`
	WindowWidth       attr  `json:"00281051"`
	Intercept         attr  `json:"00281052"`
	Slope             attr  `json:"00281053"`
	RescaleType       attr  `json:"00281054"`
	Units             attr  `json:"00541001"`
	ContentTime       attr  `json:"00080033"`
	EchoTime          attr  `json:"00180081"`
	InversionTime     attr  `json:"00180082"`
	EchoNumber        attr  `json:"00180086"`
	TriggerTime       attr  `json:"00181060"`
	BValue            attr  `json:"00189087"`
	FrameOfRef        attr  `json:"00200052"`
	Title             attr  `json:"00420010"`
	Media             attr  `json:"00420012"`
	PerFrame          given `json:"52009230"`
}

func (w *wireInstance) instance() source.Instance {
	i := source.Instance{
		SOPInstanceUID:    w.SOPInstanceUID.text(),
		SOPClassUID:       w.SOPClassUID.text(),
		TransferSyntaxUID: w.TransferSyntax.first().text(),
		ImageType:         w.ImageType.text(),
		Photometric:       w.Photometric.text(),
		AcquisitionTime:   w.AcquisitionTime.text(),
		Number:            w.Number.int(),
		AcquisitionNumber: w.AcquisitionNumber.int(),
		TemporalPosition:  w.TemporalPosition.int(),
		Rows:              w.Rows.int(),
		Columns:           w.Columns.int(),
		Frames:            w.Frames.int(),
		Samples:           w.Samples.int(),
		BitsAllocated:     w.BitsAllocated.int(),
		BitsStored:        w.BitsStored.int(),
		Signed:            w.Signed.int() == 1,
		Rescale:           pair(w.Slope, w.Intercept),
		Window:            pair(w.WindowCenter, w.WindowWidth),
		SliceThickness:    w.SliceThickness.float(),
		RescaleType:       w.RescaleType.text(),
		Units:             w.Units.text(),

		Groups:              bool(w.PerFrame),
		Media:               researchMedia(w.Media),
		FrameOfReferenceUID: w.FrameOfRef.text(),
		ContentTime:         w.ContentTime.text(),
		EchoNumber:          w.EchoNumber.int(),
		EchoTime:            w.EchoTime.real(),
		InversionTime:       w.InversionTime.real(),
		TriggerTime:         w.TriggerTime.real(),
		BValue:              w.BValue.real(),
	}
	if i.Media != "" {
		i.Name = w.Title.text()
	}
	if i.Frames <= 0 && i.Rows > 0 && i.Columns > 0 {
		i.Frames = 1
	}
	if f, ok := w.Position.floats(); ok && len(f) == 3 {
		i.Position = (*[3]float64)(f)
	}
	if f, ok := w.Orientation.floats(); ok && len(f) == 6 {
		i.Orientation = (*[6]float64)(f)
	}
	if f, ok := w.Spacing.floats(); ok && len(f) == 2 {
		i.Spacing = (*[2]float64)(f)
	}
	return i
}
