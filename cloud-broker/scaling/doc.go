// Package scaling gives the tasks of the edges that have their link at this broker less of what they do not use, and more of
// what they run short of, while they run (B5, B6, B9.1). Package scale decides, on what heartbeats tell; this package keeps
// the accounts: what a task holds is in Redis, together with what its node has free, and its edge has it as a budget.
//
// The account is never less than what the edge has been told to use: an expansion is counted before the edge hears of it, a
// shrink behind it. Where the two differ all the same, since a broker died between the two steps or an answer was lost, the
// edge is told what the account says; an edge that refuses keeps what it has, and the account follows where that is less.
//
// Encoder threads and pixels have no account in Redis. What a node has of them follows from its processor, and what is free
// from the budgets that its heartbeats tell.
//
// What a task holds beyond its request is lent: it goes back when somebody waits for a place.
//
// Each edge with running tasks has a goroutine, so that one that does not answer holds up no other. A broker that takes over
// an edge's link begins from its next heartbeat; orders that another broker had under way are void.
package scaling
