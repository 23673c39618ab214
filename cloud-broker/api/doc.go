// Package api is the broker's face: the HTTP API for terminals and operators with the OpenAPI document that is
// generated from it, the relay of signalling, DICOMweb, the link of the edges, and the viewer.
package api
