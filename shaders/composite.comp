// Front-to-back compositing with gradient shading.

layout(binding = 1) uniform usamplerBuffer distances; // bricks to the nearest one that is not empty
layout(binding = 2) uniform samplerBuffer table;      // transfer function for the step: colour and opacity

// How far, in millimetres, nothing is met by any ray of a square of 16x16 pixels.
layout(std430, binding = 1) readonly buffer Reaches { float reaches[]; };

layout(location = 22) uniform vec2 entry;    // from a value to its entry: scale, offset
layout(location = 23) uniform vec4 light;    // ambient, diffuse, specular, specular power
layout(location = 24) uniform vec3 gramDiagonal; // xx, yy, zz of render.Gram
layout(location = 25) uniform vec3 gramRest;     // xy, xz, yz

const float OPAQUE = 0.995;
const float SURFACE = 1.0 / 32.0; // opacity of samples that look for the surface before them
const float FINEST = 1.0 / 64.0;  // of a step, to which they find it

// classify is the entry of the transfer function for the value in a cell; nothing where that is no number.
vec4 classify(Cell c) {
	float x = value(c) * entry.x + entry.y;
	return isnan(x) ? vec4(0.0) : texelFetch(table, int(clamp(x, 0.0, 4095.0) + 0.5));
}

// shade returns the factor of the colour and the white part.
vec2 shade(Ray r, vec3 g) {
	float square = dot(g * g, gramDiagonal) + 2.0 * dot(g.xxy * g.yzz, gramRest);
	if (!(square > 0.0)) return vec2(light.x, 0.0);
	float cosine = min(abs(dot(g, r.delta)) / (range.y * sqrt(square)), 1.0);
	return vec2(light.x + light.y * cosine, light.z * pow(cosine, light.w));
}

void main() {
	ivec2 p;
	if (!pixel(p)) return;
	Ray r = ray(p);
	ivec3 bricks = max((size + 2) >> 2, 1);
	vec3 color = vec3(0.0);
	float alpha = 0.0;
	int k = first(r, reaches[(p.y >> 4) * ((area.x + 15) >> 4) + (p.x >> 4)]);
	// Drivers that render in software run both sides of an if, and only loops leave work out; so the way to
	// the next visible sample is a loop of its own, and what is costly stands behind it.
	while (k < r.n && alpha < OPAQUE) {
		Cell c;
		vec4 e = vec4(0.0);
		while (k < r.n) {
			while (k < r.n) {
				c = locate(r, float(k));
				ivec3 b = c.at >> 2;
				int d = int(texelFetch(distances, (b.z * bricks.y + b.y) * bricks.x + b.x).r);
				if (d == 0) break;
				k = leave(r, k, b - d + 1, b + d);
			}
			if (k >= r.n) break;
			k++;
			e = classify(c);
			if (e.a > 0.0) break;
		}
		if (!(e.a > 0.0)) break;
		float w = e.a * (1.0 - alpha);
#ifdef STEEP
		// Colour and normal are those behind the surface, see rays.go. The first turn, a whole step back,
		// finds out whether there is one.
		float least = 0.5 * e.a, back = 0.0;
		bool found = false;
		for (float part = e.a > SURFACE && k > 1 ? 1.0 : 0.0; part >= FINEST; part *= 0.5) {
			bool inside = classify(locate(r, float(k - 1) - back - part)).a >= least;
			if (inside && part == 1.0) break;
			if (inside) back += part;
			found = true;
		}
		for (float voxel = 1.0 / length(r.delta), depth = voxel; found; depth *= depth > voxel / 4.0 ? 0.5 : 0.0) {
			float at = float(k - 1) - back;
			c = locate(r, at);
			e = classify(locate(r, at + depth));
			found = e.a < least && depth > 0.0;
		}
#endif
#ifdef SHADE
		vec2 s = shade(r, gradient(c));
		color += w * (e.rgb * s.x + s.y);
#else
		color += w * e.rgb * light.x;
#endif
		alpha += w;
	}
	if (alpha >= OPAQUE) {
		color /= alpha;
		alpha = 1.0;
	}
	put(p, color + (1.0 - alpha) * background);
}
