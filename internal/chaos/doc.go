// Package chaos lets a whole pool live through random failures and looks whether what must never happen happens.
//
// Real are the brokers (processes of cloud-broker), Redis (a redis-server), and the edges' side of the pool: each
// simulated edge is an agent.Agent with its ledger and its WebSocket to a broker, whose tasks hold resources and do nothing
// else. Terminals ask over HTTP with an idempotency key and, where no answer comes, ask again at another broker with the
// same key; they greet their edge through a broker's relay, stay a while, and finish, or vanish without a word. Meanwhile
// brokers, edges and Redis are killed, links cut, tasks revoked and moved to other edges, in an order that a seed decides; and
// since tasks use all that they have and next to nothing by turns, brokers give them more and less all the time.
//
// What is looked at, throughout and at the end:
//
//   - On no node, and on no GPU of it, do live owners hold more than there is.
//   - A task has one owner that no newer fencing token has overruled, and never two attempts with one token.
//   - What was granted is there: the edge had the attempt before the terminal heard of it.
//   - Where an owner died, was revoked or was overruled, nothing of it is left 10 s later, in the edge's ledger or in
//     Redis. Time in which it could not be told does not count: while the edge has no link, or Redis or every broker is away.
//   - A session ends only for a reason: its terminal or an operator asked, its terminal or edge is gone.
//   - Every request gets an answer.
//   - In the end every ledger is empty, everything in Redis is free, and the pool's own audit finds nothing.
package chaos
