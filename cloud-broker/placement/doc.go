// Package placement chooses nodes for a task from an in-memory picture of the pool. It is pure: no clock, no
// socket, no Redis. What it chooses are only candidates, in order; the claim in the pool decides, so a stale
// picture costs a second candidate and never a double use.
//
// # Filters
//
// A node is a candidate when it takes tasks of the type (A1), stands where the data may go, is near enough, is ready,
// has free what the task takes (of several GPUs one must have all of it), stays longer than t1 (B4.2; whatever t1 is, a node that is
// closed has no time), and is not excluded. Near enough is an edge within the
// limit of the request (A7) and nearer than the cloud (A3); nodes of the cloud tier may be anywhere.
//
// # Distance
//
// Distance is milliseconds of round trip from the terminal, by the strongest basis that there is (A3):
//
//	measured    the terminal's own ping
//	remembered  pings of other terminals of its zone
//	network     the node has a local network that the terminal's address is in, and may stand in its zone: its own distance, at
//	            least 0.5 ms
//	configured  the cost table's distance between their zones and the node's own from its zone's terminals
//	configured  the node's own alone, where the table says nothing of the zones
//
// The cloud's distance is that of the nearest cloud node by pings, else what the cost table has for the terminal's zone.
//
// # Order
//
// Edges come before the cloud tier (A8). In a tier the lowest cost comes first, and where two are equal the lesser name, so that
// every broker gives the same answer. The cost is the sum of named terms, all in milliseconds of distance:
//
//	distance    as above
//	history     0 to 30, by how tasks of this type have failed there, how fast they were and how long their data took (A10)
//	locality    -20 where the node holds the series already
//
// # Policies
//
// With an Order a policy of package fit orders those of a tier that are about as near as the nearest: up to 64 nodes that cost at most
// 20 ms more. Its terms are told in milliseconds of distance beside those above: fragment (of GPUs), uneven (resources that stay free
// beyond what the scarcest allows), time (left over), risk (of not finishing). t1 is a quantile of the predicted run time, which grows
// after each miss, becomes less while the task waits, and is capped by what most nodes stay for.
//
// # How it is found
//
// To a terminal all nodes of a zone are farther by the same amount. So there is a list per type, tier and zone, ordered by the node's own
// distance and its history, and a search merges the lists of all zones, each moved by its zone's distance, and looks no further into any
// of them than it must. The few nodes that do not stand where the lists have them, because their distance is known better
// or they hold the series, are judged one by one and merged in.
//
// Each list is kept in blocks of some hundred nodes, and each block knows the largest free amount of each kind among its ready nodes.
// Blocks in which something is short everywhere, or time, are skipped, so a long prefix of full nodes costs a few comparisons per block and not per
// node. Explain and Scan score every node instead, and give the same answer.
package placement
