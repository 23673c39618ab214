//go:build egl

package gl

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/go-gl/gl/v4.3-core/gl"
)

// texture is a 3D texture or a buffer that is read as one. The zero value is none.
type texture struct {
	target, name, buffer uint32
}

// texture3D makes a texture and leaves it bound.
func texture3D(internal uint32, size [3]int, filter int32) (texture, error) {
	t := texture{target: gl.TEXTURE_3D}
	gl.GenTextures(1, &t.name)
	gl.BindTexture(t.target, t.name)
	gl.TexParameteri(t.target, gl.TEXTURE_MIN_FILTER, filter)
	gl.TexParameteri(t.target, gl.TEXTURE_MAG_FILTER, filter)
	for _, wrap := range []uint32{gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T, gl.TEXTURE_WRAP_R} {
		gl.TexParameteri(t.target, wrap, gl.CLAMP_TO_EDGE)
	}
	gl.TexStorage3D(t.target, 1, internal, int32(size[0]), int32(size[1]), int32(size[2]))
	return t.checked()
}

// textureBuffer makes a buffer of n bytes and a texture that reads it.
func textureBuffer(internal uint32, n int, data unsafe.Pointer) (texture, error) {
	t := texture{target: gl.TEXTURE_BUFFER}
	gl.GenBuffers(1, &t.buffer)
	gl.BindBuffer(gl.TEXTURE_BUFFER, t.buffer)
	gl.BufferData(gl.TEXTURE_BUFFER, n, data, gl.STATIC_DRAW)
	gl.GenTextures(1, &t.name)
	gl.BindTexture(t.target, t.name)
	gl.TexBuffer(gl.TEXTURE_BUFFER, internal, t.buffer)
	return t.checked()
}

func (t texture) checked() (texture, error) {
	e := gl.GetError()
	if e == gl.NO_ERROR {
		return t, nil
	}
	t.delete()
	if e == gl.OUT_OF_MEMORY {
		return texture{}, errors.New("the driver has not enough memory")
	}
	return texture{}, fmt.Errorf("the driver refuses the texture: OpenGL error 0x%04x", e)
}

// write replaces n bytes of a textureBuffer.
func (t texture) write(at, n int, data unsafe.Pointer) {
	gl.BindBuffer(gl.TEXTURE_BUFFER, t.buffer)
	gl.BufferSubData(gl.TEXTURE_BUFFER, at, n, data)
}

// fill uploads slices of a texture3D.
func (t texture) fill(width, height, first, slices int, format, kind uint32, data unsafe.Pointer) {
	gl.BindTexture(t.target, t.name)
	gl.PixelStorei(gl.UNPACK_ALIGNMENT, 1)
	gl.TexSubImage3D(t.target, 0, 0, 0, int32(first), int32(width), int32(height), int32(slices), format, kind, data)
}

func (t texture) bind(unit uint32) {
	gl.ActiveTexture(gl.TEXTURE0 + unit)
	gl.BindTexture(t.target, t.name)
}

// delete frees the texture; none is no error.
func (t texture) delete() {
	gl.DeleteTextures(1, &t.name)
	gl.DeleteBuffers(1, &t.buffer)
}
