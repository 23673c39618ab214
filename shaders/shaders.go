// Package shaders has the GLSL of the renderer.
//
// A compute shader is put together from a head (version and definitions), rays.glsl, voxels.glsl and one of
// the .comp files, see Source.
package shaders

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed *.glsl *.comp
var files embed.FS

// Programs are the names of the compute shaders.
func Programs() []string { return []string{"composite", "maximum"} }

// Definitions choose a variant of a shader.
type Definitions struct {
	Pairs bool // voxels.glsl: two int16 voxels in a texel and no texture filter
	Shade bool // composite.comp: gradient shading
	Steep bool // composite.comp: rays look for surfaces
}

// All are the variants of a program.
func All(program string) []Definitions {
	if program == "maximum" {
		return []Definitions{{}, {Pairs: true}}
	}
	var all []Definitions
	for n := range 8 {
		all = append(all, Definitions{Pairs: n&1 != 0, Shade: n&2 != 0, Steep: n&4 != 0})
	}
	return all
}

// Source is the text of a compute shader, GLSL 4.30.
func Source(program string, d Definitions) (string, error) {
	var s strings.Builder
	s.WriteString("#version 430 core\n")
	for _, def := range []struct {
		name string
		on   bool
	}{{"PAIRS", d.Pairs}, {"SHADE", d.Shade}, {"STEEP", d.Steep}} {
		if def.on {
			fmt.Fprintf(&s, "#define %s\n", def.name)
		}
	}
	for n, name := range []string{"rays.glsl", "voxels.glsl", program + ".comp"} {
		text, err := files.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("shader %s: %w", program, err)
		}
		fmt.Fprintf(&s, "#line 1 %d\n%s", n, text) // compilers report positions as file:line
	}
	return s.String(), nil
}
