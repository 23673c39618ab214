// Package predict says how long a task will run, and how much of something it will use, from what is known before it
// runs, learnt on line from the tasks that have ended (B1, B2).
//
// A [Predictor] keeps what it has learnt of one quantity. It works with logarithms, since run times differ by factors,
// and holds several estimators: medians of the last few ended tasks of the same kind, over several numbers of tasks and
// several notions of kind, from the finest (same creator, operation, request and numbers) to all tasks at once; and a
// ridge regression on the logarithms of the numbers, the time of day and those medians. The error of each is followed
// for the kind of task at hand, and the estimate is the median of the estimators weighted by how well each did there
// lately. Quantiles come from the errors that predictions of that kind had, corrected on line so that the share of tasks
// below a quantile is what it says.
//
// A prediction uses only tasks that had ended before it was made: Learn is called when a task ends, with the
// [Prediction] that was made before it ran, never with what it used. A task that runs already is predicted again from
// the same distribution, given how long it has run ([Prediction.After]).
package predict
