//go:build egl

package gl

import (
	"fmt"
	"strings"
	"unsafe"

	"github.com/go-gl/gl/v4.3-core/gl"

	"github.com/tomocast/tomocast/shaders"
)

// Locations of uniforms and units of textures, as the shaders declare them.
const (
	locOrigin, locDir, locAim, locRange, locClips, locSize, locBackground = 2, 5, 8, 11, 12, 20, 21
	locEntry, locLight, locGramDiagonal, locGramRest                      = 22, 23, 24, 25 // composite
	locRescale, locWindow                                                 = 22, 23         // maximum

	unitVoxels, unitDistances, unitTable, unitMaxima, unitBlocks = 0, 1, 2, 3, 4
)

// compile makes a program; on the device's thread.
func compile(v variant) (uint32, error) {
	source, err := shaders.Source(v.program, v.Definitions)
	if err != nil {
		return 0, err
	}
	shader := gl.CreateShader(gl.COMPUTE_SHADER)
	defer gl.DeleteShader(shader)
	text, free := gl.Strs(source + "\x00")
	defer free()
	gl.ShaderSource(shader, 1, text, nil)
	gl.CompileShader(shader)
	var ok int32
	if gl.GetShaderiv(shader, gl.COMPILE_STATUS, &ok); ok == gl.FALSE {
		return 0, fmt.Errorf("shader %s %+v does not compile: %s", v.program, v.Definitions, shaderLog(shader, gl.GetShaderiv, gl.GetShaderInfoLog))
	}
	program := gl.CreateProgram()
	gl.AttachShader(program, shader)
	gl.LinkProgram(program)
	if gl.GetProgramiv(program, gl.LINK_STATUS, &ok); ok == gl.FALSE {
		defer gl.DeleteProgram(program)
		return 0, fmt.Errorf("shader %s %+v does not link: %s", v.program, v.Definitions, shaderLog(program, gl.GetProgramiv, gl.GetProgramInfoLog))
	}
	return program, nil
}

func shaderLog(object uint32, parameter func(uint32, uint32, *int32), log func(uint32, int32, *int32, *uint8)) string {
	var n int32
	parameter(object, gl.INFO_LOG_LENGTH, &n)
	text := make([]byte, n+1)
	log(object, n, nil, &text[0])
	return strings.TrimRight(string(text), "\x00\n")
}

func bytesAt(p unsafe.Pointer, n int) []byte { return unsafe.Slice((*byte)(p), n) }
