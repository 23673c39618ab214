package pool

import (
	"context"
	"fmt"
	"time"
)

// Lease says whether a duty that one broker at a time has, like looking after the pool's fragments, is broker's for so long
// from now, by Redis' clock. A broker that has it asks again well before that is over; one that does not asks again later,
// and gets it when the other has given it back or does not ask any more. A term of 0 gives it back.
func (p *Pool) Lease(ctx context.Context, duty, broker string, term time.Duration) (bool, error) {
	err := checkName("duty", duty)
	if err == nil {
		err = checkName("broker", broker)
	}
	if err == nil && (term < 0 || term > 0 && term < time.Millisecond) {
		err = fmt.Errorf("%s: 0, or at least 1ms", term)
	}
	var has int
	if err == nil {
		has, err = p.run(ctx, leaseScript, duty, broker, term.Milliseconds()).Int()
	}
	if err != nil {
		return false, fmt.Errorf("take on the duty %.40q: %w", duty, err)
	}
	return has == 1, nil
}
