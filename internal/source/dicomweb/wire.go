package dicomweb

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/tomocast/tomocast/internal/source"
)

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
		return fmt.Errorf("the answer is no DICOM JSON: %w", err)
	}
	if t, err := dec.Token(); err != nil {
		return fault(err)
	} else if t != json.Delim('[') {
		return errors.New("the answer is no DICOM JSON: it does not begin with an array")
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
	}
}

// wireInstance is what a volume's plan needs of an instance's metadata.
type wireInstance struct {
	ImageType         attr `json:"00080008"`
	SOPClassUID       attr `json:"00080016"`
	SOPInstanceUID    attr `json:"00080018"`
	AcquisitionTime   attr `json:"00080032"`
	TransferSyntax    attr `json:"00083002"`
	SliceThickness    attr `json:"00180050"`
	AcquisitionNumber attr `json:"00200012"`
	Number            attr `json:"00200013"`
	Position          attr `json:"00200032"`
	Orientation       attr `json:"00200037"`
	TemporalPosition  attr `json:"00200100"`
	Samples           attr `json:"00280002"`
	Photometric       attr `json:"00280004"`
	Frames            attr `json:"00280008"`
	Rows              attr `json:"00280010"`
	Columns           attr `json:"00280011"`
	Spacing           attr `json:"00280030"`
	BitsAllocated     attr `json:"00280100"`
	BitsStored        attr `json:"00280101"`
	Signed            attr `json:"00280103"`
	WindowCenter      attr `json:"00281050"`
	WindowWidth       attr `json:"00281051"`
	Intercept         attr `json:"00281052"`
	Slope             attr `json:"00281053"`
	RescaleType       attr `json:"00281054"`
	Units             attr `json:"00541001"`
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
