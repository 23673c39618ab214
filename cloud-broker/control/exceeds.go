package control

import (
	"fmt"

	"github.com/tomocast/tomocast/signaling"
)

// Exceeds says which amount of an override's capacity is more than a node has itself, beginning with the field's name;
// empty where there is none. Such an amount would have no effect (signaling.Override).
func Exceeds(o, own signaling.Resources) string {
	for _, a := range []struct {
		field    string
		says, is int64
	}{
		{"gpuMemoryMB", o.GPUMemoryMB, own.GPUMemoryMB}, {"gpuMilli", o.GPUMilli, own.GPUMilli},
		{"encoderSessions", o.EncoderSessions, own.EncoderSessions}, {"cpuMilli", o.CPUMilli, own.CPUMilli}, {"memoryMB", o.MemoryMB, own.MemoryMB},
	} {
		if a.says > a.is {
			return fmt.Sprintf("capacity.%s is %d, and the node itself has %d: an override can offer less, not more; start the edge with more", a.field, a.says, a.is)
		}
	}
	return ""
}
