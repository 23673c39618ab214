// Package picture makes of one DICOM frame of any image object a picture for the screen: greyscale values after the
// modality transform with the windows that the file offers, or colour as RGB (PS3.3 C.7.6.3, C.11; PS3.14 is not
// applied, for the screen's curve is not known).
//
// Values in Gray are true values in the units of the file. What is shown of them, RGBA, is 8 bits per channel.
package picture
