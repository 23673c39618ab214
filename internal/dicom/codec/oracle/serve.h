// What both oracles share: they answer requests that stand on lines of their own on standard input,
//	decode N PATH    read and decode the file N times, in one thread
//	write OUT PATH   decode it once and write the samples, little endian, to the file OUT
// with "ok NANOSECONDS BYTES", the time of one run and the size of the samples, or with "error" and what was wrong.
#include <chrono>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

// decode reads a file and decodes its pixel data to samples. It returns what is wrong, or nothing.
static std::string decode(const std::string &path, std::vector<char> &samples);

static int serve() {
	std::string verb, argument, path;
	std::vector<char> samples;
	while (std::cin >> verb >> argument && std::getline(std::cin >> std::ws, path)) {
		const int runs = verb == "decode" ? std::max(1, atoi(argument.c_str())) : 1;
		std::string wrong;
		const auto start = std::chrono::steady_clock::now();
		for (int i = 0; i < runs && wrong.empty(); i++) wrong = decode(path, samples);
		const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - start;
		if (wrong.empty() && verb == "write") {
			std::ofstream out(argument, std::ios::binary);
			out.write(samples.data(), std::streamsize(samples.size()));
			if (!out.flush()) wrong = "cannot write " + argument;
		}
		if (wrong.empty())
			std::cout << "ok " << took.count() / runs << " " << samples.size() << std::endl;
		else
			std::cout << "error " << wrong << std::endl;
	}
	return 0;
}
