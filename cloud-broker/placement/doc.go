// Package placement chooses nodes for a task from an in-memory picture of the pool. It is pure: no clock, no
// socket, no Redis. What it chooses are only candidates, in order; the claim in the pool decides, so a stale
// picture costs a second candidate and never a double use.
//
// The order is: type first (a list per task type, A1), edges before the cloud tier (A8), nearest first (A2),
// and the node's name where two are equally near, so that every broker gives the same answer. A node is a
// candidate when it is ready and every amount that the task takes fits into what it has free. Where a task shows a
// series, nodes that hold its volume already come before the others of their tier, unless they are much farther: they
// are found from an index by volume, which has the nearest holders first.
//
// Each list is kept sorted in blocks of some hundred nodes, and each block knows the largest free amount of
// each kind among its ready nodes. A search walks the blocks in order, skips those in which something is
// short everywhere, and stops at its limit, so a long prefix of full nodes costs a few comparisons per block
// and not per node.
package placement
