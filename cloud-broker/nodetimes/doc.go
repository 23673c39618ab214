// Package nodetimes knows the time dimension of a pool's nodes as they run (B3): it puts together the schedules of the
// configuration and of operators, when machines say that they go, what the pool holds on the nodes, and how long that is
// expected to run.
//
// Placement is told the spans of nodes, operators see [Times.Of] and [Times.Status], and those who empty nodes in time take
// [Times.Spans] or [Times.Closing]. The rules are those of package nodetime.
package nodetimes
