// Package control holds the links of the edges that are connected to this broker: registration, heartbeats,
// instructions and their confirmation, series to load ahead and thumbnails to make, and the signalling messages of
// terminals in between.
//
// An edge opens one outbound WebSocket to any broker. Instructions and signalling reach it also from other
// brokers, over the pool's messages: the names of instructions and of terminals' connections begin with the
// broker that waits for the answer, so that an answer finds its way without a table.
package control
