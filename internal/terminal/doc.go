// Package terminal is a terminal without a screen: it finds a place for a task, connects to the node as the web viewer does,
// and hands over encoded pictures, stamps, events, stills and results. Programs beside a scanner have their work done with
// it, tests drive the whole path, and command-line tools measure.
//
// A [Client] asks in the ways of the web viewer: the terminal's own resources first (Client.Check), then the broker, or the
// edges nearest by. [Client.Place] finds the place, [Client.Open] and [Client.Connect] begin a session there, and
// [Client.Compute] has a compute task done from its data to its result.
//
// It imports nothing of broker or edge but the contract, package signaling, and how edges are found in a local network.
package terminal
