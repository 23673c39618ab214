// Package dicom reads and writes DICOM files (PS3.10) and decodes the pixel data in them.
//
// The parser keeps the file as one block of bytes and slices it: an element's value is decoded only when it is
// asked for. Values are little endian in memory whatever the file's byte order was, so that everything above
// the parser knows one order. Input is not trusted: no length is believed beyond the bytes that are there,
// nesting and element counts are limited (Limits), and every fault is an *Error that names the offset and the
// tag.
//
// Read, ReadFile and Parse are tolerant where files in the field deviate and the meaning is still certain:
// a missing preamble or file meta information, a wrong meta group length, an unknown VR, implicit items in an
// explicit data set, sequences sent as UN, trailing padding, another byte order than said, damage behind the pixel
// data, text in another character set than named. Warnings say so.
//
// DecodeFrame gives the samples of one DICOM frame, whatever the file holds them in: the codecs below this package know
// nothing of data sets, and here their images are brought in line with what the data set says, or refused by name where
// the two cannot both be right. FrameDataset gives the attributes of one DICOM frame, flat, whether the image is an
// enhanced one or not. Package picture makes pictures of them for the screen.
package dicom
