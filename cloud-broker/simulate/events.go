package simulate

// event is something that happens at a moment of the virtual clock.
type event struct {
	at    float64 // s
	order int     // of events at the same moment
	do    func()
}

// events is a heap, the earliest first.
type events []event

func (h events) Len() int { return len(h) }
func (h events) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].order < h[j].order
}
func (h events) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push is for container/heap.
func (h *events) Push(x any) { *h = append(*h, x.(event)) }

// Pop is for container/heap.
func (h *events) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = event{}
	*h = old[:len(old)-1]
	return last
}
