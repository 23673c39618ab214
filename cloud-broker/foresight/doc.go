// Package foresight predicts what tasks will do, learnt on line from the pool's history (B1, B2): for how long a task runs, or
// a session lasts, and how much GPU and processor time it uses meanwhile.
//
// Every broker reads the same history and learns the same: at its start from the newest tasks, in the order in which they began
// and ended, then from those that end. What a task used teaches only after it has ended, with the prediction that is made of it
// when it begins; nothing that is known of a task only because it ran is a part of what it is predicted from.
//
// What is predicted when a task is asked for is kept with the task, so that errors are those of what was said then. A history
// may have been poisoned: times that cannot be are refused by name, and counted.
package foresight
