package placement

import "github.com/tomocast/tomocast/signaling"

// Experience is what ended tasks of one type have shown of a node (A10), as moving averages. Zero is unknown.
type Experience struct {
	Node           signaling.NodeID
	Type           signaling.TaskType
	Runs, Failures int64   // tasks that ended there, and how many of them failed
	SpeedMBs       float64 // data worked on, MiB per second of run time
	TransferMBs    float64 // data received, MiB per second of transfer
	GPUMilli       float64 // GPU time that a task used, thousandths of a GPU
}
