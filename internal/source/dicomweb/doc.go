// Package dicomweb speaks DICOMweb (PS3.18): a Handler that serves a store of studies as QIDO-RS and WADO-RS, and a
// Client that fetches series from any server that does.
//
// What the handler offers, relative to where it is mounted:
//
//	GET /studies                                    search studies (PS3.18 10.6)
//	GET /studies/{study}/series                     search a study's series
//	GET /series                                     search all series
//	GET /studies/{study}/instances                  search a study's instances
//	GET /studies/{study}/series/{series}/instances  search a series' instances
//	GET /studies/{study}[/series/{series}[/instances/{instance}]]           retrieve (PS3.18 10.4)
//	GET /studies/{study}[/series/{series}[/instances/{instance}]]/metadata  retrieve without bulk data
//
// Searches and metadata answer application/dicom+json (PS3.18 annex F). Instances are sent as they are stored,
// straight from their files, as multipart/related; type="application/dicom"; a single instance also as
// application/dicom, with byte ranges. Everything else is refused by a problem (RFC 9457) that says what is offered.
package dicomweb
