// Package study makes a volume of the slices of a series.
//
// Slices arrive in any order, from several goroutines. Each is decoded at once into memory that the volume will
// own, so a series never stands in memory twice. When all are there, their positions along the normal decide
// their order, in-plane directions and positions alone decide the geometry (never file order, instance number,
// slice thickness or the tilt tag), and whatever would make the picture untrue is refused by name: missing,
// doubled or shifted slices, mixed orientations, spacings or patients, damaged files. Nothing becomes a hole.
package study
