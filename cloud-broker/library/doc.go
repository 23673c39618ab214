// Package library is the studies that a broker offers: those of its own folder, and of the folders, stores and PACS
// that its configuration names.
//
// A request names a source and UIDs, never an address, so nothing that comes from outside can make the broker or an
// edge fetch from elsewhere. How to log in at a PACS stays here and with the edge that is told to fetch.
package library
