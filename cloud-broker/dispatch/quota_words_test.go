package dispatch

import (
	"strings"
	"testing"

	"github.com/tomocast/tomocast/signaling"
)

func TestARefusalByAQuotaNamesWhatItBounds(t *testing.T) {
	err := overQuota(signaling.Resources{EncoderSessions: 2, CPUMilli: 4000}, signaling.Resources{EncoderSessions: 1, GPUMilli: 250})
	if p, over := isQuota(err); !over || !strings.Contains(p.Detail, "encoderSessions 2 at most in all, 1 for this task") || strings.Contains(p.Detail, "Milli") {
		t.Errorf("%v", err)
	}
}
