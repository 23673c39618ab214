package dicomweb

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
)

// Media types of PS3.18 8.7.3.
const (
	typeJSON      = "application/dicom+json"
	typeDICOM     = "application/dicom"
	typeMultipart = "multipart/related"
	typeBytes     = "application/octet-stream"
)

// maxAccept is how many media ranges of a request are looked at.
const maxAccept = 32

// mediaRange is one of the media types that a request accepts.
type mediaRange struct {
	media  string
	params map[string]string
	q      float64
}

// accepted is what a request accepts, best first: its accept parameter (PS3.18 8.3.3.1), else its Accept header,
// else anything.
func accepted(r *http.Request) []mediaRange {
	fields := r.URL.Query()["accept"]
	if len(fields) == 0 {
		fields = r.Header.Values("Accept")
	}
	var out []mediaRange
	for _, f := range fields {
		for _, s := range splitQuoted(f, ',') {
			media, params := parseMedia(s)
			if media == "" || len(out) == maxAccept {
				continue
			}
			q := 1.0
			if v, err := strconv.ParseFloat(params["q"], 64); err == nil {
				q = v
			}
			if q > 0 {
				out = append(out, mediaRange{media, params, q})
			}
		}
	}
	if len(strings.Join(fields, "")) == 0 {
		return []mediaRange{{media: "*/*"}}
	}
	slices.SortStableFunc(out, func(a, b mediaRange) int { return cmp.Compare(b.q, a.q) })
	return out
}

// parseMedia takes a media type apart. Unlike mime.ParseMediaType it takes type=application/dicom without the quotes
// that its slash demands, since many programs write it so.
func parseMedia(s string) (media string, params map[string]string) {
	fields := splitQuoted(s, ';')
	params = make(map[string]string, len(fields)-1)
	for _, f := range fields[1:] {
		name, value, _ := strings.Cut(f, "=")
		params[strings.ToLower(strings.TrimSpace(name))] = strings.Trim(strings.TrimSpace(value), `"`)
	}
	return strings.ToLower(strings.TrimSpace(fields[0])), params
}

// splitQuoted splits at sep outside quoted strings.
func splitQuoted(s string, sep byte) []string {
	var out []string
	quoted, from := false, 0
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			out = append(out, s[from:i])
			from = i + 1
		}
	}
	return append(out, s[from:])
}

// acceptsJSON says whether the request takes DICOM JSON.
func acceptsJSON(r *http.Request) bool {
	return slices.ContainsFunc(accepted(r), func(m mediaRange) bool {
		switch m.media {
		case typeJSON, "application/json", "application/*", "*/*":
			return true
		}
		return false
	})
}

// negotiate chooses how to send instances: each in a part of its own, or, where only one was asked for, by itself.
// Instances are sent as stored, so a range that asks for another transfer syntax does not fit. Research files are bytes.
func negotiate(r *http.Request, items []source.Stored, single bool) (asPart bool, err error) {
	if items[0].Instance.Media != "" {
		return negotiateBytes(r, items[0], single)
	}
	for _, m := range accepted(r) {
		switch m.media {
		case "*/*", "multipart/*":
			return true, nil
		case typeMultipart:
			if t := m.params["type"]; t != "" && t != typeDICOM && t != "*/*" {
				continue
			}
			if fits(m, items) {
				return true, nil
			}
		case typeDICOM:
			if single && fits(m, items) {
				return false, nil
			}
		}
	}
	return false, newProblem(http.StatusNotAcceptable, fmt.Sprintf(
		`Instances are sent as they are stored (here %s): accept multipart/related; type="application/dicom"; transfer-syntax=*.`,
		strings.Join(syntaxes(items), ", ")))
}

// negotiateBytes is negotiate for a research file, which is sent by itself only where it is a single file.
func negotiateBytes(r *http.Request, item source.Stored, single bool) (asPart bool, err error) {
	single = single && len(item.File.Beside()) == 0
	for _, m := range accepted(r) {
		switch m.media {
		case "*/*", "multipart/*":
			return true, nil
		case typeMultipart:
			if t := m.params["type"]; t == "" || t == typeBytes || t == item.Instance.Media || t == "*/*" {
				return true, nil
			}
		case typeBytes, item.Instance.Media:
			if single {
				return false, nil
			}
		}
	}
	return false, newProblem(http.StatusNotAcceptable, fmt.Sprintf(
		`This is a file of type %s: accept multipart/related; type="application/octet-stream".`, item.Instance.Media))
}

// fits says whether all instances are stored in the transfer syntax that a range asks for: explicit VR little
// endian where it does not say (PS3.18 8.7.3.5.2).
func fits(m mediaRange, items []source.Stored) bool {
	want := cmp.Or(m.params["transfer-syntax"], dicom.ExplicitVRLittleEndian)
	return want == "*" || !slices.ContainsFunc(items, func(s source.Stored) bool { return s.Instance.TransferSyntaxUID != want })
}

// syntaxes is the transfer syntaxes of instances, each once.
func syntaxes(items []source.Stored) []string {
	var out []string
	for _, s := range items {
		if !slices.Contains(out, s.Instance.TransferSyntaxUID) {
			out = append(out, s.Instance.TransferSyntaxUID)
		}
	}
	return out
}
