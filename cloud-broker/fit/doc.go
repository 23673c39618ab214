// Package fit chooses a node for a task so that what stays free can be used: it knows fragments of resources, fragments of
// time, and the risk that a node goes away before the task has ended (B3, B4). It is pure: no clock, no socket, no pool.
// The broker uses it on the candidates that placement returns, and package simulate on all nodes of a trace.
//
// # Filters
//
// A node comes into question when it has the labels, the GPU models and the volumes that the task must have, and every
// amount that it asks for (B4.1). Then a policy may ask for time: the node must stay longer than t1, which is a quantile of
// the predicted run time (B4.2).
//
// # Terms
//
// What is left is ordered by a sum of named terms, each in a unit of its own with a weight, lowest first; where sums are
// equal by a second sum, and then in the order in which the nodes were given.
//
//	fragment    GPUs that typical tasks could not use on the node, after the task less before it
//	gradient    the same by the fragments of this moment alone
//	fgd         that as fragmentation gradient descent has it (Weng et al., USENIX ATC 2023), an integer score
//	best        what is left of the node's CPU and GPUs, as shares
//	least, most what is left, as Kubernetes scores LeastAllocated and MostAllocated
//	time        left-over time (t - t1)/T
//	window      -t
//	risk        probability of not finishing, with a heavy tail that no forecast takes away
//	align       how much longer the node is in use because of the task
//	match       by what factor the task's end and that of what runs on the node are apart
//	wake        1 where nothing runs on the node
//	uneven      by how much more stays free of the node's resources than the scarcest of them allows to use
//	random      anything
//	distance    what placement found: its terms in milliseconds
//
// # Policies
//
// A Policy is data: which quantile t1 is, how it grows after a miss and where it ends, and the weights of the terms.
// Policies lists those that have a name. Decide says which node a task goes to by a policy, and why.
package fit
