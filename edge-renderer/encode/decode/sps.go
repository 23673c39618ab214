package decode

import (
	"bytes"
	"errors"
	"fmt"
)

// SPS is what an H.264 sequence parameter set says about the stream (Rec. ITU-T H.264, 7.3.2.1.1 and E.1.1).
type SPS struct {
	Profile, Constraints, Level uint8 // profile_idc, the constraint_set flags from the highest bit, level_idc
	Width, Height               int   // pixels, after cropping
	ReferenceFrames             int

	// SignalType says that the four below are in the VUI.
	SignalType bool
	FullRange  bool
	// Colours of Tables E-3 to E-5; 2 (unspecified) where the stream does not say. 6 is BT.601, 525 lines.
	Primaries, Transfer, Matrix uint8
}

// ProfileLevelID is the profile-level-id of RFC 6184, 8.1, for example "42c01f".
func (s SPS) ProfileLevelID() string {
	return fmt.Sprintf("%02x%02x%02x", s.Profile, s.Constraints, s.Level)
}

// NALUnits splits an Annex B byte stream (Rec. ITU-T H.264, B.1) into its units, without start codes.
func NALUnits(stream []byte) [][]byte {
	var units [][]byte
	start := -1
	for i := 0; i+3 <= len(stream); {
		next := bytes.Index(stream[i:], []byte{0, 0, 1})
		if next < 0 {
			break
		}
		if start >= 0 {
			units = append(units, bytes.TrimRight(stream[start:i+next], "\x00"))
		}
		i += next + 3
		start = i
	}
	if start >= 0 && start < len(stream) {
		units = append(units, bytes.TrimRight(stream[start:], "\x00"))
	}
	return units
}

// ParseSPS reads the first sequence parameter set of an Annex B byte stream.
func ParseSPS(stream []byte) (SPS, error) {
	for _, unit := range NALUnits(stream) {
		if len(unit) > 0 && unit[0]&31 == 7 {
			return parseSPS(unit)
		}
	}
	return SPS{}, errors.New("the H.264 stream has no sequence parameter set; key frames begin with one")
}

func parseSPS(unit []byte) (SPS, error) {
	// An emulation prevention byte stands after each two zero bytes that would look like a start code (7.4.1).
	r := bitReader{data: bytes.ReplaceAll(unit[1:], []byte{0, 0, 3}, []byte{0, 0})}
	s := SPS{Profile: uint8(r.bits(8)), Constraints: uint8(r.bits(8)), Level: uint8(r.bits(8)), Primaries: 2, Transfer: 2, Matrix: 2}
	r.ue() // seq_parameter_set_id
	chroma := uint32(1)
	switch s.Profile {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128:
		if chroma = r.ue(); chroma == 3 {
			r.bits(1) // separate_colour_plane_flag
		}
		r.ue()              // bit_depth_luma_minus8
		r.ue()              // bit_depth_chroma_minus8
		r.bits(1)           // qpprime_y_zero_transform_bypass_flag
		if r.bits(1) == 1 { // seq_scaling_matrix_present_flag
			return SPS{}, errors.New("the H.264 sequence parameter set has scaling matrices, which are not read here")
		}
	}
	r.ue()          // log2_max_frame_num_minus4
	switch r.ue() { // pic_order_cnt_type
	case 0:
		r.ue() // log2_max_pic_order_cnt_lsb_minus4
	case 1:
		r.bits(1) // delta_pic_order_always_zero_flag
		r.ue()    // offset_for_non_ref_pic, signed, of the same length
		r.ue()    // offset_for_top_to_bottom_field
		for n := r.ue(); n > 0 && r.err == nil; n-- {
			r.ue()
		}
	}
	s.ReferenceFrames = int(r.ue())
	r.bits(1) // gaps_in_frame_num_value_allowed_flag
	width, height := 16*(r.ue()+1), 16*(r.ue()+1)
	cropY := uint32(2)
	if r.bits(1) == 0 { // frame_mbs_only_flag
		height *= 2
		cropY = 4
		r.bits(1) // mb_adaptive_frame_field_flag
	}
	r.bits(1)           // direct_8x8_inference_flag
	if r.bits(1) == 1 { // frame_cropping_flag
		left, right, top, bottom := r.ue(), r.ue(), r.ue(), r.ue()
		// The units are those of 4:2:0, Table 6-1; nothing else is encoded here.
		width -= 2 * (left + right)
		height -= cropY * (top + bottom)
	}
	if r.bits(1) == 1 { // vui_parameters_present_flag
		s.vui(&r)
	}
	if r.err != nil {
		return SPS{}, r.err
	}
	if chroma != 1 {
		return SPS{}, fmt.Errorf("the H.264 stream has chroma format %d, not 4:2:0", chroma)
	}
	if width == 0 || height == 0 || width > 1<<15 || height > 1<<15 {
		return SPS{}, fmt.Errorf("the H.264 stream says that it is %dx%d pixels", width, height)
	}
	s.Width, s.Height = int(width), int(height)
	return s, nil
}

// vui reads as far as the colours.
func (s *SPS) vui(r *bitReader) {
	if r.bits(1) == 1 && r.bits(8) == 255 { // aspect_ratio_info_present_flag, Extended_SAR
		r.bits(32)
	}
	if r.bits(1) == 1 { // overscan_info_present_flag
		r.bits(1)
	}
	if s.SignalType = r.bits(1) == 1; !s.SignalType {
		return
	}
	r.bits(3) // video_format
	s.FullRange = r.bits(1) == 1
	if r.bits(1) == 1 { // colour_description_present_flag
		s.Primaries, s.Transfer, s.Matrix = uint8(r.bits(8)), uint8(r.bits(8)), uint8(r.bits(8))
	}
}

// bitReader reads bits from the highest on. After the end it gives zeros and keeps an error.
type bitReader struct {
	data []byte
	pos  int // bits
	err  error
}

func (r *bitReader) bits(n int) uint32 {
	var v uint32
	for range n {
		if r.pos>>3 >= len(r.data) {
			r.err = errors.New("the H.264 sequence parameter set ends too early")
			return 0
		}
		v = v<<1 | uint32(r.data[r.pos>>3]>>(7-r.pos&7)&1)
		r.pos++
	}
	return v
}

// ue reads an unsigned Exp-Golomb code (9.1).
func (r *bitReader) ue() uint32 {
	zeros := 0
	for r.err == nil && r.bits(1) == 0 {
		if zeros++; zeros > 31 {
			r.err = errors.New("the H.264 sequence parameter set has a number of more than 32 bits")
		}
	}
	if r.err != nil {
		return 0
	}
	return 1<<zeros - 1 + r.bits(zeros)
}
