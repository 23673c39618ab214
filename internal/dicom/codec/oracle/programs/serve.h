// What both oracles share: they answer requests that stand on lines of their own on standard input,
//	decode N PATH    read and decode the file N times, in one thread
//	write OUT PATH   decode it once and write the samples, little endian, to the file OUT
// with "ok NANOSECONDS BYTES", the processor time of one run and the size of the samples, or with "error" and what was wrong.
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <string>
#include <time.h>
#include <vector>

// decode reads a file, decodes its pixel data, and calls use with the samples, which it owns. It returns what is wrong, or
// nothing.
using Use = std::function<void(const char *samples, size_t bytes)>;
static std::string decode(const std::string &path, const Use &use);

// processor is the processor time that this process took so far, in nanoseconds.
static long long processor() {
	timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int serve() {
	std::string verb, argument, path;
	while (std::cin >> verb >> argument && std::getline(std::cin >> std::ws, path)) {
		const int runs = verb == "decode" ? std::max(1, atoi(argument.c_str())) : 1;
		size_t size = 0;
		std::ofstream out;
		if (verb == "write") out.open(argument, std::ios::binary);
		const Use use = [&](const char *samples, size_t bytes) {
			size = bytes;
			if (out.is_open()) out.write(samples, std::streamsize(bytes));
		};
		std::string wrong;
		const long long start = processor();
		for (int i = 0; i < runs && wrong.empty(); i++) wrong = decode(path, use);
		const long long took = processor() - start;
		if (wrong.empty() && verb == "write" && (!out.is_open() || !out.flush())) wrong = "cannot write " + argument;
		if (wrong.empty())
			std::cout << "ok " << took / runs << " " << size << std::endl;
		else
			std::cout << "error " << wrong << std::endl;
	}
	return 0;
}
