// Package system has the tests of the whole path: the real programs, started as an operator starts them, with a terminal
// that does what a browser does, on the embedded Redis and on a server.
//
// Nothing in here reaches into a program: what is tested is what terminals, edges and operators see. Tests are named by
// the requirements that they show (A1 to A15).
package system
