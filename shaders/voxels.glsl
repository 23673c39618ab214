// Values between the voxels, in a unit of the texture's own that the caller scales, and their gradient.

#ifdef PAIRS

// A texel has a voxel in its upper 16 bits and the one before it along x in its lower ones, both stored +
// 32768; a row begins and ends with a voxel that is doubled. Where the driver filters in software, this
// fetches two voxels at the price of one, gradients share fetches, and a buffer has the shortest way to a
// texel.
layout(binding = 0) uniform usamplerBuffer voxels;

// The pair of the voxels at and behind a place in the buffer.
vec2 pair(int place) {
	uint v = texelFetch(voxels, place).r;
	return vec2(float(v & 0xffffu), float(v >> 16u));
}

int place(ivec3 at) { return (at.z * size.y + at.y) * (size.x + 1) + at.x + 1; }

// Texels to the next row and to the next slice, 0 at the last one.
ivec2 onward(ivec3 at) {
	return ivec2(lessThan(at.yz, size.yz - 1)) * (size.x + 1) * ivec2(1, size.y);
}

float line(vec2 ends, Cell c) { return mix(ends.x, ends.y, c.weight.x); }

// The weights of the four lines of a cell: (0,0), (1,0), (0,1), (1,1) along y and z.
vec4 lines(Cell c) {
	vec2 w = c.weight.yz, v = 1.0 - w;
	return vec4(v.x * v.y, w.x * v.y, v.x * w.y, w.x * w.y);
}

vec2 blend(vec4 w, vec2 a, vec2 b, vec2 c, vec2 d) { return w.x * a + w.y * b + w.z * c + w.w * d; }

float value(Cell c) {
	int i = place(c.at);
	ivec2 n = onward(c.at);
	return line(blend(lines(c), pair(i), pair(i + n.x), pair(i + n.y), pair(i + n.x + n.y)), c);
}

#else

layout(binding = 0) uniform sampler3D voxels;

float at(vec3 p) { return texture(voxels, (p + 0.5) / vec3(size)).r; }

float value(Cell c) { return at(vec3(c.at) + c.weight); }

#endif

// gradient is the central difference at one voxel's distance along each axis. Beyond the outermost voxel
// centres the nearest value is continued.
#ifdef PAIRS

vec3 gradient(Cell c) {
	vec4 w = lines(c);
	int i = place(c.at);
	ivec2 n = onward(c.at);
	ivec2 back = ivec2(greaterThan(c.at.yz, ivec2(0))) * (size.x + 1) * ivec2(1, size.y);
	ivec2 far = n + onward(c.at + 1);
	int j = i + n.x, k = i + n.y, l = j + n.y;
	vec2 p00 = pair(i), p10 = pair(j), p01 = pair(k), p11 = pair(l);
	vec3 g;
	g.x = line(blend(w, pair(i + 1), pair(j + 1), pair(k + 1), pair(l + 1)) - blend(w, pair(i - 1), pair(j - 1), pair(k - 1), pair(l - 1)), c);
	int up = i + far.x, down = i - back.x;
	g.y = line(blend(w, p10, pair(up), p11, pair(up + n.y)) - blend(w, pair(down), p00, pair(down + n.y), p01), c);
	up = i + far.y, down = i - back.y;
	g.z = line(blend(w, p01, p11, pair(up), pair(up + n.x)) - blend(w, pair(down), pair(down + n.x), p00, p10), c);
	return g;
}

#else

vec3 gradient(Cell c) {
	vec3 p = vec3(c.at) + c.weight, low = max(p - 1.0, vec3(0.0)), high = min(p + 1.0, vec3(size - 1));
	return vec3(
		at(vec3(high.x, p.yz)) - at(vec3(low.x, p.yz)),
		at(vec3(p.x, high.y, p.z)) - at(vec3(p.x, low.y, p.z)),
		at(vec3(p.xy, high.z)) - at(vec3(p.xy, low.z)));
}

#endif
