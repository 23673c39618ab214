// Package study makes volumes of the slices of a series.
//
// A slice is a DICOM frame: of a single-frame object, or of a multi-frame one, where functional groups say what is
// its own. What slices say of themselves splits a series into parts (other orientations, matrices, echoes, b-values,
// acquisitions) and each part into time points (split.go). Positions along the normal decide the order of a stack and,
// with the in-plane directions, its geometry; never file order, instance number, slice thickness or the tilt tag. Even
// steps, gantry tilt, steps that vary, gaps and doubled positions are found from all slices (stack.go), resampled or
// filled within stated bounds, and told with their amount. What would make the picture untrue beyond that is no volume,
// and its images can be shown one by one.
//
// Slices arrive in any order, from several goroutines. Each is decoded at once into memory that the volume will own
// where it is known beforehand where it belongs (pool.go), so a series never stands in memory twice.
package study
