// Package lantest is what tests of local networks share.
package lantest

import (
	"net"
	"testing"
)

// Multicast is an interface of this machine that carries multicast; the test is skipped where there is none.
func Multicast(t *testing.T) *net.Interface {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		if f := all[i].Flags; f&net.FlagUp != 0 && f&net.FlagMulticast != 0 {
			return &all[i]
		}
	}
	t.Skip("no interface of this machine carries multicast")
	return nil
}
