// Package picture shows the images of a series that is no volume: radiographs, localizers, ultrasound clips,
// secondary captures. A [Set] has them fetched and decoded as they are looked at, a [Painter] draws one into a
// viewport, and [Thumbnail] makes the small picture of a series that lists show.
//
// The plane of an image has its origin at the image's top left corner, x along its rows and y down its columns, in
// millimetres where the image says how far its pixels are apart, else in pixels (signaling.ViewImage).
package picture
