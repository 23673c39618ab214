// Values between the voxels, in a unit of the texture's own that the caller scales, and their gradient.

#ifdef PAIRS

// A texel has a voxel in its upper 16 bits and the one before it along x in its lower ones, both stored +
// 32768; the volume's first and last voxels are doubled.
// Drivers that filter in software fetch two voxels at the price of one, and gradients share fetches.
layout(binding = 0) uniform usampler3D voxels;

vec2 pair(ivec3 at) {
	uint v = texelFetch(voxels, at + ivec3(1, 0, 0), 0).r;
	return vec2(float(v & 0xffffu), float(v >> 16u));
}

float line(vec2 ends, Cell c) { return mix(ends.x, ends.y, c.weight.x); }

// The weights of the four lines of a cell: (0,0), (1,0), (0,1), (1,1) along y and z.
vec4 lines(Cell c) {
	vec2 w = c.weight.yz, v = 1.0 - w;
	return vec4(v.x * v.y, w.x * v.y, v.x * w.y, w.x * w.y);
}

vec2 blend(vec4 w, vec2 a, vec2 b, vec2 c, vec2 d) { return w.x * a + w.y * b + w.z * c + w.w * d; }

float value(Cell c) {
	ivec3 i = c.at, j = min(i + 1, size - 1);
	return line(blend(lines(c), pair(i), pair(ivec3(i.x, j.y, i.z)), pair(ivec3(i.x, i.y, j.z)), pair(ivec3(i.x, j.yz))), c);
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
	ivec3 i = c.at, j = min(i + 1, size - 1), low = max(i - 1, 0), high = min(i + 2, size - 1);
	vec4 w = lines(c);
	vec2 p00 = pair(i), p10 = pair(ivec3(i.x, j.y, i.z)), p01 = pair(ivec3(i.x, i.y, j.z)), p11 = pair(ivec3(i.x, j.yz));
	int x = i.x + 1;
	vec2 ahead = blend(w, pair(ivec3(x, i.yz)), pair(ivec3(x, j.y, i.z)), pair(ivec3(x, i.y, j.z)), pair(ivec3(x, j.yz)));
	x = i.x - 1;
	vec2 behind = blend(w, pair(ivec3(x, i.yz)), pair(ivec3(x, j.y, i.z)), pair(ivec3(x, i.y, j.z)), pair(ivec3(x, j.yz)));
	vec3 g;
	g.x = line(ahead - behind, c);
	x = i.x;
	ahead = blend(w, p10, pair(ivec3(x, high.y, i.z)), p11, pair(ivec3(x, high.y, j.z)));
	behind = blend(w, pair(ivec3(x, low.y, i.z)), p00, pair(ivec3(x, low.y, j.z)), p01);
	g.y = line(ahead - behind, c);
	ahead = blend(w, p01, p11, pair(ivec3(x, i.y, high.z)), pair(ivec3(x, j.y, high.z)));
	behind = blend(w, pair(ivec3(x, i.y, low.z)), pair(ivec3(x, j.y, low.z)), p00, p10);
	g.z = line(ahead - behind, c);
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
