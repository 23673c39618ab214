// Package control holds the links of the edges that are connected to this broker: registration, heartbeats,
// instructions and their confirmation, series to load ahead and thumbnails to make, what edges ask when terminals ask them
// first, the view states of sessions, and the signalling messages of terminals in between.
//
// An edge opens one outbound WebSocket to any broker. Instructions and signalling reach it also from other
// brokers, over the pool's messages: the names of instructions and of terminals' connections begin with the
// broker that waits for the answer, so that an answer finds its way without a table. A node has one link in the whole pool:
// a second edge of its name is refused by whichever broker it asks, while the first one's link lives.
package control
