package pool

import (
	"errors"

	"github.com/tomocast/tomocast/signaling"
)

// ErrQuota: with this task its creator would hold more than his quota.
var ErrQuota = errors.New("the creator holds as much as he may")

// quotaArgs are the creator and his quota as the scripts take them: the hash of who asked and five numbers, both empty where nothing
// is bounded.
func quotaArgs(creator string, quota signaling.Resources) (mine, bound string) {
	if quota.IsZero() {
		return "", ""
	}
	return creatorHash(creator), string(encodeAmounts(quota))
}
