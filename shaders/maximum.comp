// Maximum intensity projection through a window.

layout(binding = 3) uniform sampler3D maxima; // largest value of each brick
layout(binding = 4) uniform sampler3D blocks; // largest value of 4x4x4 bricks

layout(location = 22) uniform vec2 rescale; // from the texture's unit to the value: scale, offset
layout(location = 23) uniform vec2 window;  // value shown black, value shown white

void main() {
	ivec2 p;
	if (!pixel(p)) return;
	Ray r = ray(p);
	if (r.n <= 0) {
		put(p, background);
		return;
	}
	float top = window.x; // values below are as black
	int k = 0;
	while (k < r.n && top < window.y) {
		Cell c;
		while (k < r.n) {
			c = locate(r, float(k));
			ivec3 b = c.at >> 2, e = b >> 2;
			if (texelFetch(blocks, e, 0).r <= top) {
				k = leave(r, k, e << 2, (e + 1) << 2);
			} else {
				if (texelFetch(maxima, b, 0).r > top) break;
				k = leave(r, k, b, b + 1);
			}
		}
		if (k >= r.n) break;
		k++;
		float v = value(c) * rescale.x + rescale.y;
		if (v > top) top = v;
	}
	put(p, vec3(clamp((top - window.x) / (window.y - window.x), 0.0, 1.0)));
}
