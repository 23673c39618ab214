// The rays of a picture, as edge-renderer/render/rays.go defines them: positions are voxel indices, t is in
// millimetres. One invocation renders one pixel.

layout(local_size_x = 64) in;

layout(std430, binding = 0) writeonly buffer Picture { uint pixels[]; }; // RGBA, the rows of this job

layout(location = 0) uniform ivec4 area;    // width of the picture, first row, rows of this job, groups in a row
layout(location = 1) uniform ivec2 threads; // processors that share the groups, groups of each
layout(location = 2) uniform vec3 origin[3];  // of the ray: at pixel (0,0), per column, per row
layout(location = 5) uniform vec3 dir[3];
layout(location = 8) uniform vec3 aim[3];
layout(location = 11) uniform vec4 range;   // least t, sampling step, 1 with jitter, number of clips
layout(location = 12) uniform vec4 clips[8]; // keep xyz·p >= w
layout(location = 20) uniform ivec3 size;   // voxels
layout(location = 21) uniform vec3 background; // 0 to 1

const float SUB = 256.0; // positions along an axis between two voxels

struct Ray {
	int n;      // samples
	float t;    // of the first sample, millimetres
	vec3 base;  // first sample, plus half of what positions are rounded to
	vec3 delta; // from one sample to the next
	vec3 inv;   // samples per voxel
};

uint hash(uint v) {
	uint s = v * 747796405u + 2891336453u;
	uint w = ((s >> ((s >> 28u) + 4u)) ^ s) * 277803737u;
	return (w >> 22u) ^ w;
}

// pixel is the column and the row of this invocation; false outside of the job. Groups are squares of 8x8
// pixels, and eight neighbouring invocations a block of 4x2, since those go through the loops together.
// Where processors take the groups in runs of equal length, they are dealt out in turn instead.
bool pixel(out ivec2 p) {
	int group = int(gl_WorkGroupID.x);
	if (group < threads.x * threads.y) group = group % threads.y * threads.x + group / threads.y;
	int l = int(gl_LocalInvocationID.x);
	ivec2 at = ivec2(l & 3 | (l & 8) >> 1, (l & 4) >> 2 | (l & 48) >> 3);
	p = ivec2(group % area.w, group / area.w) * 8 + at;
	bool inside = p.x < area.x && p.y < area.z;
	p.y += area.y;
	return inside;
}

void put(ivec2 p, vec3 color) {
	pixels[(p.y - area.y) * area.x + p.x] = packUnorm4x8(vec4(color, 1.0));
}

Ray ray(ivec2 p) {
	vec2 at = vec2(p);
	vec3 o = origin[0] + at.x * origin[1] + at.y * origin[2];
	vec3 d = (dir[0] + at.x * dir[1] + at.y * dir[2]) / length(aim[0] + at.x * aim[1] + at.y * aim[2]);
	vec3 upper = vec3(size) - 0.5;
	float t0 = range.x, t1 = 1e30;
	Ray r;
	r.n = 0;
	r.t = 0.0;
	r.base = r.delta = r.inv = vec3(0.0);
	for (int a = 0; a < 3; a++) {
		if (d[a] == 0.0) {
			if (o[a] < -0.5 || o[a] > upper[a]) return r;
			continue;
		}
		float near = (-0.5 - o[a]) / d[a], far = (upper[a] - o[a]) / d[a];
		t0 = max(t0, min(near, far));
		t1 = min(t1, max(near, far));
	}
	for (int i = 0; i < int(range.w); i++) {
		float above = dot(clips[i].xyz, o) - clips[i].w, along = dot(clips[i].xyz, d);
		if (along > 0.0) t0 = max(t0, -above / along);
		else if (along < 0.0) t1 = min(t1, -above / along);
		else if (above < 0.0) return r;
	}
	if (!(t0 < t1)) return r;
	float u = 0.5;
	if (range.z > 0.0) u = float(hash(uint(p.x) + hash(uint(p.y))) >> 8u) / 16777216.0;
	r.n = int(ceil(min((t1 - t0) / range.y - u, 65536.0)));
	r.t = t0 + u * range.y;
	r.base = o + r.t * d + 0.5 / SUB;
	r.delta = d * range.y;
	for (int a = 0; a < 3; a++) r.inv[a] = r.delta[a] == 0.0 ? 1e30 : 1.0 / r.delta[a];
	return r;
}

// first is the first sample at or behind t, or one that comes before it.
int first(Ray r, float t) {
	return int(clamp((t - r.t) / range.y - 0.01, 0.0, float(r.n)));
}

// leave is the first sample behind the box of bricks from low to high, or one that comes before it; at
// least k+1. The margin covers the rounding of positions.
int leave(Ray r, int k, ivec3 low, ivec3 high) {
	vec3 bound = mix(vec3(low), vec3(high), greaterThanEqual(r.delta, vec3(0.0))) * 4.0;
	vec3 t = (bound - r.base) * r.inv;
	float least = min(min(t.x, t.y), min(t.z, float(r.n)));
	return max(k + 1, int(ceil(least - 0.004)));
}

// Where a sample lies: the voxel before it along each axis, and the weight of the next one.
struct Cell {
	ivec3 at;
	vec3 weight;
};

// locate finds the cell of a sample, or of what lies between samples.
Cell locate(Ray r, float k) {
	ivec3 q = ivec3(floor((r.base + k * r.delta) * SUB));
	q = clamp(q, ivec3(0), (size - 1) * int(SUB));
	Cell c;
	c.at = min(q >> 8, max(size - 2, ivec3(0)));
	c.weight = vec3(q - (c.at << 8)) / SUB;
	return c;
}
