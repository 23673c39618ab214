package dicom

import "strings"

// The transfer syntaxes that the parser treats apart from each other (PS3.5 annex A).
const (
	ImplicitVRLittleEndian         = "1.2.840.10008.1.2"
	ExplicitVRLittleEndian         = "1.2.840.10008.1.2.1"
	EncapsulatedUncompressed       = "1.2.840.10008.1.2.1.98"
	DeflatedExplicitVRLittleEndian = "1.2.840.10008.1.2.1.99"
	ExplicitVRBigEndian            = "1.2.840.10008.1.2.2"
	RLELossless                    = "1.2.840.10008.1.2.5"
)

var syntaxNames = map[string]string{
	ImplicitVRLittleEndian:         "implicit VR little endian",
	ExplicitVRLittleEndian:         "explicit VR little endian",
	EncapsulatedUncompressed:       "encapsulated uncompressed",
	DeflatedExplicitVRLittleEndian: "deflated explicit VR little endian",
	ExplicitVRBigEndian:            "explicit VR big endian",
	RLELossless:                    "RLE lossless",
	"1.2.840.10008.1.2.4.50":       "JPEG baseline, lossy",
	"1.2.840.10008.1.2.4.51":       "JPEG extended, lossy",
	"1.2.840.10008.1.2.4.53":       "JPEG spectral selection, lossy",
	"1.2.840.10008.1.2.4.55":       "JPEG full progression, lossy",
	"1.2.840.10008.1.2.4.57":       "JPEG lossless, process 14",
	"1.2.840.10008.1.2.4.70":       "JPEG lossless, first order",
	"1.2.840.10008.1.2.4.80":       "JPEG-LS lossless",
	"1.2.840.10008.1.2.4.81":       "JPEG-LS near lossless",
	"1.2.840.10008.1.2.4.90":       "JPEG 2000 lossless",
	"1.2.840.10008.1.2.4.91":       "JPEG 2000",
	"1.2.840.10008.1.2.4.92":       "JPEG 2000 multi-component lossless",
	"1.2.840.10008.1.2.4.93":       "JPEG 2000 multi-component",
	"1.2.840.10008.1.2.4.94":       "JPIP referenced",
	"1.2.840.10008.1.2.4.95":       "JPIP referenced deflate",
	"1.2.840.10008.1.2.4.100":      "MPEG-2 main profile, main level",
	"1.2.840.10008.1.2.4.101":      "MPEG-2 main profile, high level",
	"1.2.840.10008.1.2.4.102":      "MPEG-4 AVC/H.264 high profile",
	"1.2.840.10008.1.2.4.103":      "MPEG-4 AVC/H.264 BD-compatible",
	"1.2.840.10008.1.2.4.104":      "MPEG-4 AVC/H.264 for 2D video",
	"1.2.840.10008.1.2.4.105":      "MPEG-4 AVC/H.264 for 3D video",
	"1.2.840.10008.1.2.4.106":      "MPEG-4 AVC/H.264 stereo",
	"1.2.840.10008.1.2.4.107":      "HEVC/H.265 main profile",
	"1.2.840.10008.1.2.4.108":      "HEVC/H.265 main 10 profile",
	"1.2.840.10008.1.2.4.110":      "JPEG XL lossless",
	"1.2.840.10008.1.2.4.111":      "JPEG XL JPEG recompression",
	"1.2.840.10008.1.2.4.112":      "JPEG XL",
	"1.2.840.10008.1.2.4.201":      "high-throughput JPEG 2000 lossless",
	"1.2.840.10008.1.2.4.202":      "high-throughput JPEG 2000 lossless, RPCL",
	"1.2.840.10008.1.2.4.203":      "high-throughput JPEG 2000",
}

// SyntaxName is a transfer syntax in words and by its UID, "JPEG 2000 lossless (1.2.840.10008.1.2.4.90)".
func SyntaxName(uid string) string {
	switch name, ok := syntaxNames[uid]; {
	case ok:
		return name + " (" + uid + ")"
	case uid == "":
		return "no transfer syntax"
	default:
		return "an unknown transfer syntax (" + uid + ")"
	}
}

// Decodable says whether this build can decode pixel data of a transfer syntax.
func Decodable(uid string) bool { return native(uid) || decoderFor(uid) != nil }

// native says whether pixel data of the transfer syntax lies in one piece, uncompressed (PS3.5 A.1 to A.3, A.5).
func native(uid string) bool {
	switch uid {
	case ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, "":
		return true
	}
	return false
}

// UnsupportedSyntax is the error for pixel data that this build cannot decode: it names the syntax, says what is lacking
// and what to do. It wraps ErrUnsupportedTransferSyntax.
func UnsupportedSyntax(uid string) error {
	advice := "re-export the series uncompressed (explicit VR little endian)"
	switch {
	case byLibrary(uid):
		advice = "this program lacks the OpenJPEG and CharLS libraries, as one built without cgo does: use one built with cgo, or " + advice
	case strings.HasPrefix(uid, "1.2.840.10008.1.2.4.10"):
		advice = "it is a video, which is not played here: open it in a program for videos, or export single images of it"
	case uid == "1.2.840.10008.1.2.4.94" || uid == "1.2.840.10008.1.2.4.95":
		advice = "the pixels are not in the file but on another server: " + advice
	case strings.HasPrefix(uid, "1.2.840.10008.1.2.4.11"):
		advice = "there is no JPEG XL decoder in this build: " + advice
	}
	return fault(ErrUnsupportedTransferSyntax, 0, "%s is not supported by this build; %s", SyntaxName(uid), advice)
}

// byLibrary says whether a syntax is decoded by a C library in builds with cgo: JPEG-LS, JPEG 2000 and its
// high-throughput kind.
func byLibrary(uid string) bool {
	switch strings.TrimPrefix(uid, "1.2.840.10008.1.2.4.") {
	case "80", "81", "90", "91", "92", "93", "201", "202", "203":
		return true
	}
	return false
}

// jpeg2000 says whether a syntax is JPEG 2000 or its high-throughput kind.
func jpeg2000(uid string) bool { return byLibrary(uid) && uid[len(uid)-2] != '8' }

// jpegProcess says whether a syntax is one of the first JPEG standard (ISO 10918-1).
func jpegProcess(uid string) bool {
	rest, ok := strings.CutPrefix(uid, "1.2.840.10008.1.2.4.")
	return ok && len(rest) == 2 && rest >= "50" && rest <= "70"
}
