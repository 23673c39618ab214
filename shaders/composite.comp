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
				c = locate(r, k);
				ivec3 b = c.at >> 2;
				int d = int(texelFetch(distances, (b.z * bricks.y + b.y) * bricks.x + b.x).r);
				if (d == 0) break;
				k = leave(r, k, b - d + 1, b + d);
			}
			if (k >= r.n) break;
			k++;
			float x = value(c) * entry.x + entry.y;
			if (isnan(x)) continue;
			e = texelFetch(table, int(clamp(x, 0.0, 4095.0) + 0.5));
			if (e.a > 0.0) break;
		}
		if (!(e.a > 0.0)) break;
		float w = e.a * (1.0 - alpha);
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
