// Package terminal is a terminal without a screen: it asks a broker for a session, connects to the edge as the web
// viewer does, and hands over encoded pictures, stamps, events, stills and results. Tests drive the whole path
// with it, and command-line tools measure with it.
//
// It imports nothing of broker or edge but the contract, package signaling.
package terminal
