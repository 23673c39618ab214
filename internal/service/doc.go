// Package service is what both programs need to be operated: flags that are also environment variables,
// structured logs, an HTTP server with limits, health, readiness and metrics, and an orderly end on a signal.
package service
