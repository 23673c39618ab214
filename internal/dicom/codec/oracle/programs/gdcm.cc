// Decodes DICOM files with GDCM.
#include <gdcmImageReader.h>
#include <gdcmTrace.h>

#include "serve.h"

static std::string decode(const std::string &path, const Use &use) {
	gdcm::ImageReader reader;
	reader.SetFileName(path.c_str());
	if (!reader.Read()) return "cannot read it";
	const gdcm::Image &image = reader.GetImage();
	static std::vector<char> samples; // of the last file: a buffer that is there, as a viewer's volume is
	samples.resize(image.GetBufferLength());
	if (!image.GetBuffer(samples.data())) return "cannot decode it";
	use(samples.data(), samples.size());
	return "";
}

int main() {
	gdcm::Trace::DebugOff();
	gdcm::Trace::WarningOff();
	gdcm::Trace::ErrorOff();
	return serve();
}
