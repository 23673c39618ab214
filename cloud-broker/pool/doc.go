// Package pool keeps the state that all brokers of a pool share in Redis: nodes, reservations, tasks and their
// history. It is the index, not the truth: what runs on an edge is decided by the edge's own ledger, from which
// a lost pool is rebuilt as the edges register again.
//
// Each step that changes something is one Lua script (lua/*.lua), so it happens as a whole or not at all, takes
// one round trip, and takes its time from Redis. lua/common.lua lists the keys. Nothing rests on key expiry:
// leases and heartbeats are scores in sorted sets, and Sweep, which is bounded, frees what is past. All keys share
// the hash tag of Options.Prefix, so a pool is one slot of a Redis Cluster. The same scripts run on Redis 6.2
// and newer and on the embedded server (Embedded).
//
// # Reservations
//
// Claim reserves with a short lease and a fencing token that is above every earlier one; the edge confirms
// (Confirm), and from then on its heartbeats renew the lease. A reservation ends by Report (the edge says so),
// Release (the broker says so) or Sweep (nobody renews it). What is free on a node is always its capacity
// less its reservations.
//
// A node with several GPUs has amounts for each; a reservation uses the one that it leaves the least of. Nodes with one
// GPU have no such amounts, and cost nothing more.
//
// A task may have a standby, a second reservation that can take over (standby.go), and an edge may take a task by itself
// (Adopt). Tasks for which nothing is free wait in a queue that is fair by creator (queue.go).
//
// What an operator says of a node (Cordon, Drain, SetOverride, SetSchedule) is kept beside what the node says of itself and counts
// more.
//
// Scripts that are called at the same time travel together (merge.go).
//
// # Loss of Redis
//
// An empty Redis knows no node, so the heartbeat of an edge is answered with ErrUnknownNode, and the edge
// registers with its ledger and the highest fencing token that it has seen. Register raises the counter above it
// and holds the ledger's attempts again, with their requests, and standbys as standbys. A Pool also remembers the
// highest token that it has given out itself. What only Redis knew is gone: the history, the queue (who waits asks
// again), view states (the edges report them again), cordons, drains, overrides and schedules of operators, experience
// and pings.
package pool
