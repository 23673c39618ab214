// Package dispatch takes one request from its arrival to its grant: who asks, whether it can be served at all,
// which nodes come into question (in memory), the claim (in Redis), the instruction to the edge and its
// confirmation, and then the grant. So a grant is always honoured: the edge has the attempt in its ledger
// before the terminal hears of it.
package dispatch
