// Package dicomweb speaks DICOMweb (PS3.18): a handler that serves a store of studies as QIDO-RS, WADO-RS and, where it
// is given a Keeper, STOW-RS; and a Client that searches, fetches from and stores in any server that does.
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
//	POST /studies[/{study}]                                                  store instances (PS3.18 10.5)
//	DELETE /studies/{study}[/series/{series}[/instances/{instance}]]         delete what is kept
//
// Searches and metadata answer application/dicom+json (PS3.18 annex F). Instances are sent as they are stored,
// straight from their files, as multipart/related; type="application/dicom"; a single instance also as
// application/dicom, with byte ranges. Research files (NIfTI, NRRD) have studies of their own: their media type stands in
// MIMEType (0042,0012), their name in DocumentTitle (0042,0010), and they are sent as multipart/related;
// type="application/octet-stream", the file first and those that belong to it behind it, each with its name in
// Content-Disposition; a single one also by itself. Everything else is refused by a problem (RFC 9457) that says what is offered.
package dicomweb
