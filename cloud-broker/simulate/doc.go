// Package simulate replays traces of tasks on nodes by a virtual clock, through the same code that places and predicts in the
// broker (packages fit and predict), and compares policies: use, fragments, waiting, lost work, moves, node-hours, and what a
// decision costs. It is the command cloud-broker simulate, with which an operator plans a pool.
//
// Tasks come when the trace says so, or at random in the trace's order for a load that is asked for. What is placed nowhere
// waits, and is tried again when something becomes free, in the order in which tasks came unless the policy has another. A
// node whose window closes loses what runs there: the task waits again and begins from its start. Before it runs, a task is
// predicted from those that ended before it, never by its own run time.
//
// Scaling and defragmentation take part as a Hook.
package simulate
