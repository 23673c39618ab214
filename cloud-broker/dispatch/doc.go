// Package dispatch takes one request from its arrival to its grant: who asks and from where, whether it can be served at
// all, which nodes come into question (in memory), the claim (in Redis), the instruction to the edge and its confirmation,
// and then the grant. So a grant is always honoured: the edge has the attempt in its ledger before the terminal hears of it.
//
//	request.go, place.go   a request on its way to a place
//	where.go               where a terminal is, and what its site says: limits, data that stays, what to do where all is full
//	queue.go, deal.go      those who wait, and whose turn it is
//	follow.go              a terminal that follows its task to its grant
//	urgent.go              an urgent request in place of an idle session
//	desk.go                edges that were asked first: what they took themselves, and what they sent on
//	renew.go, shadow.go    coming back to a session, also when its edge is lost; second edges that are kept ready
//	learn.go, near.go      what ended tasks and pings have shown; edges near a terminal; why a request goes where it goes
//	operate.go, overview.go, metrics.go   for operators
//
// # Turns
//
// The queue is in Redis, fair by creator (package pool), and all brokers see it alike. A task is placed by the broker at
// which its terminal follows it. Each broker goes through the queue in its order whenever nodes change, and deals out, on
// paper, what is free: so it knows which tasks could be placed now and what is left for those behind them. A task that could
// be placed and is not, because its broker is gone, keeps others from its share for chanceFor. A task that is too large
// for what is free is overtaken by smaller ones until it has waited for oldAfter; then the node that lacks least is kept
// free for it. Requests that come see the same, so they overtake nobody either.
package dispatch
