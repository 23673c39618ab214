//go:build race

package main

// underRace says that the race detector runs, which makes everything about ten times slower.
const underRace = true
