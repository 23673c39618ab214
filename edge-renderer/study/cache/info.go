package cache

import (
	"encoding/json"
	"strings"

	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// maxInfo bounds what is told of a series in JSON, bytes, so that it fits into a message with a view beside it.
	maxInfo = 40 << 10
	// maxText bounds a name or a reason in it, bytes.
	maxText = 300
)

// Info is what a page shows of a series.
func Info(r *study.Result, source string) signaling.SeriesInfo {
	i, v := r.Identity, r.Volume
	corners := v.Corners()
	info := signaling.SeriesInfo{
		Series:      signaling.SeriesRef{Source: source, StudyInstanceUID: i.StudyInstanceUID, SeriesInstanceUID: i.SeriesInstanceUID},
		PatientName: i.PatientName, PatientID: i.PatientID, PatientBirthDate: i.PatientBirthDate, PatientSex: i.PatientSex,
		StudyDate: i.StudyDate, AccessionNumber: i.AccessionNumber, StudyDescription: i.StudyDescription,
		SeriesDescription: i.SeriesDescription, Modality: i.Modality, Size: v.Size, SpacingMm: v.Spacing(),
		Center: signaling.Point(v.Center()), DiagonalMm: corners[7].Sub(corners[0]).Norm(), Min: v.Min, Max: v.Max, Unit: r.Units,
		Unplaced: r.Unplaced,
	}
	for _, w := range r.Warnings {
		if w.Code == study.WarnLossy {
			info.LossySource = short(w.Text)
		} else {
			info.Warnings = append(info.Warnings, signaling.Warning{Code: string(w.Code), Text: short(w.Text), Amount: w.Amount, Picture: w.Code.Picture()})
		}
	}
	if len(r.Phases) > 1 {
		for _, p := range r.Phases {
			info.TimePoints = append(info.TimePoints, signaling.TimePointInfo{Label: short(p.Label), Ms: p.Ms})
		}
	}
	setParts(&info, r.Part, r.Parts)
	info.LeftOut, info.LeftOutCount = leftOut(r.LeftOut)
	fit(&info)
	return info
}

// setParts names the parts of a series that has several.
func setParts(info *signaling.SeriesInfo, shown study.Part, all []study.Part) {
	if len(all) < 2 {
		return
	}
	info.Series.Part = shown.Number
	for _, p := range all {
		info.Parts = append(info.Parts, signaling.PartInfo{Part: p.Number, Name: short(p.Name), Slices: max(p.Slices, len(p.Images)),
			Volume: p.Volume, Reason: short(p.Reason)})
	}
}

func leftOut(all []study.LeftOut) (named []signaling.LeftOut, count int) {
	for _, f := range all[:min(len(all), signaling.MaxLeftOut)] {
		named = append(named, signaling.LeftOut{Name: short(f.Name), Reason: short(f.Reason)})
	}
	return named, len(all)
}

// short cuts text that is too long for a message.
func short(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText-3], "") + "…"
}

// fit takes away what is least needed until the rest fits into a message: files that were left out, then parts, then
// time points' labels.
func fit(info *signaling.SeriesInfo) {
	for {
		raw, err := json.Marshal(info)
		if err != nil || len(raw) <= maxInfo {
			return
		}
		switch {
		case len(info.LeftOut) > 0:
			info.LeftOut = info.LeftOut[:len(info.LeftOut)/2]
		case len(info.Parts) > 8:
			info.Parts = keepShown(info.Parts, info.Series.Part)
		case len(info.TimePoints) > 0 && info.TimePoints[0].Label != "":
			for i := range info.TimePoints {
				info.TimePoints[i].Label = ""
			}
		case len(info.Warnings) > 8:
			info.Warnings = info.Warnings[:len(info.Warnings)/2]
		default:
			return
		}
	}
}

// keepShown is the first half of the parts, and the one that is shown.
func keepShown(parts []signaling.PartInfo, shown int) []signaling.PartInfo {
	half := parts[:len(parts)/2]
	for _, p := range parts[len(half):] {
		if p.Part == shown {
			half[len(half)-1] = p
		}
	}
	return half
}
