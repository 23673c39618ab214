// Package gl renders volumes with compute shaders of OpenGL 4.3.
//
// All of a renderer's OpenGL runs on the thread of one gpu.Device, in jobs of a few milliseconds: slabs of an
// upload, bands of rows of a picture. Between them other pictures get their turn and a cancelled one ends.
//
// Programs built without the build tag egl have no OpenGL; Open then says so.
package gl
