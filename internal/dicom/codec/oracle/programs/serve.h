// What both oracles share: they answer requests that stand on lines of their own on standard input,
//	decode N PATH    read and decode the file N times, in one thread
//	write OUT PATH   decode it once and write the samples, little endian, to the file OUT
// with "ok NANOSECONDS BYTES", the time of one run and the size of the samples, or with "error" and what was wrong.
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

// decode reads a file, decodes its pixel data, and calls use with the samples, which it owns. It returns what is wrong, or
// nothing.
using Use = std::function<void(const char *samples, size_t bytes)>;
static std::string decode(const std::string &path, const Use &use);

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
		const auto start = std::chrono::steady_clock::now();
		for (int i = 0; i < runs && wrong.empty(); i++) wrong = decode(path, use);
		const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - start;
		if (wrong.empty() && verb == "write" && (!out.is_open() || !out.flush())) wrong = "cannot write " + argument;
		if (wrong.empty())
			std::cout << "ok " << took.count() / runs << " " << size << std::endl;
		else
			std::cout << "error " << wrong << std::endl;
	}
	return 0;
}
