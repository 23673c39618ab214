// Decodes DICOM files with DCMTK.
#include "dcmtk/config/osconfig.h"
#include "dcmtk/dcmdata/dctk.h"
#include "dcmtk/dcmdata/dcrledrg.h"
#include "dcmtk/dcmjpeg/djdecode.h"
#include "dcmtk/dcmjpls/djdecode.h"
#include "dcmtk/oflog/oflog.h"

#include "serve.h"

static std::string decode(const std::string &path, const Use &use) {
	DcmFileFormat file;
	OFCondition c = file.loadFile(path.c_str());
	if (c.bad()) return c.text();
	DcmDataset *d = file.getDataset();
	c = d->chooseRepresentation(EXS_LittleEndianExplicit, nullptr);
	if (c.bad()) return c.text();
	Uint16 bits = 0;
	d->findAndGetUint16(DCM_BitsAllocated, bits);
	unsigned long n = 0;
	if (bits > 8) {
		const Uint16 *p = nullptr;
		c = d->findAndGetUint16Array(DCM_PixelData, p, &n);
		if (c.bad()) return c.text();
		use(reinterpret_cast<const char *>(p), 2 * n);
	} else {
		const Uint8 *p = nullptr;
		c = d->findAndGetUint8Array(DCM_PixelData, p, &n);
		if (c.bad()) return c.text();
		use(reinterpret_cast<const char *>(p), n);
	}
	return "";
}

int main() {
	OFLog::configure(OFLogger::OFF_LOG_LEVEL);
	DcmRLEDecoderRegistration::registerCodecs();
	DJDecoderRegistration::registerCodecs(EDC_never);
	DJLSDecoderRegistration::registerCodecs();
	return serve();
}
