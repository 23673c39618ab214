// Decodes DICOM files with GDCM.
#include <gdcmImageReader.h>
#include <gdcmTrace.h>

#include "serve.h"

static std::string decode(const std::string &path, std::vector<char> &samples) {
	gdcm::ImageReader reader;
	reader.SetFileName(path.c_str());
	if (!reader.Read()) return "cannot read it";
	const gdcm::Image &image = reader.GetImage();
	samples.resize(image.GetBufferLength());
	if (!image.GetBuffer(samples.data())) return "cannot decode it";
	return "";
}

int main() {
	gdcm::Trace::DebugOff();
	gdcm::Trace::WarningOff();
	gdcm::Trace::ErrorOff();
	return serve();
}
