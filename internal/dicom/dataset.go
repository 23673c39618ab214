package dicom

import (
	"slices"
	"sort"
	"sync/atomic"
)

// Dataset is a data set, or one item of a sequence: its elements in order of their tags. One goroutine may
// change it or any number may read it.
type Dataset struct {
	// Meta is the file meta information (group 0002); nil in items and where the file had none.
	Meta *Dataset
	// TransferSyntax is the UID that the data set was, or is to be, stored with; empty in items.
	TransferSyntax string
	// Elements are sorted by tag, without the file meta information.
	Elements []Element
	// Warnings say, in words, where the file deviated from the standard and how it was read all the same.
	Warnings []string

	parent *Dataset
	// at is where an item began in the file.
	at int64
	// under is what shows through where the data set of a frame says nothing of its own; frame is which one it is.
	under *Dataset
	frame int
	// shared is the data set under its shared functional groups, once a frame has been asked for.
	shared atomic.Pointer[Dataset]
	// starts is the fragments with which the frames of encapsulated data begin, once they had to be found.
	starts atomic.Pointer[[]int]
}

// Element is one element of a data set.
type Element struct {
	Tag Tag
	VR  VR
	// Value is the undecoded value, little endian, padding included. It is a slice of what was read: it must
	// not be changed, and it keeps the whole of it in memory. It is nil for sequences, for encapsulated pixel
	// data and for pixel data that Options.StopAtPixelData left out.
	Value []byte
	// Items are the items of a sequence.
	Items []*Dataset
	// Fragments are the fragments of encapsulated pixel data; the first one is the basic offset table,
	// which may be empty (PS3.5 A.4).
	Fragments [][]byte
	// Offset is where the element began in the file (in the inflated data set of a deflated file).
	Offset int64
}

// Get finds an element; nil where there is none.
func (d *Dataset) Get(t Tag) *Element {
	for ; d != nil; d = d.under {
		if e := d.own(t); e != nil {
			return e
		}
	}
	return nil
}

// own is Get without what shows through from under the data set of a frame.
func (d *Dataset) own(t Tag) *Element {
	i := sort.Search(len(d.Elements), func(i int) bool { return d.Elements[i].Tag >= t })
	if i < len(d.Elements) && d.Elements[i].Tag == t {
		return &d.Elements[i]
	}
	return nil
}

// Has says whether the element is there, even if it is empty.
func (d *Dataset) Has(t Tag) bool { return d.Get(t) != nil }

// Set puts an element in its place, instead of one with the same tag.
func (d *Dataset) Set(e Element) {
	d.forget()
	i := sort.Search(len(d.Elements), func(i int) bool { return d.Elements[i].Tag >= e.Tag })
	for _, item := range e.Items {
		item.parent = d
	}
	if i < len(d.Elements) && d.Elements[i].Tag == e.Tag {
		d.Elements[i] = e
		return
	}
	d.Elements = slices.Insert(d.Elements, i, e)
}

// Delete takes an element out.
func (d *Dataset) Delete(t Tag) {
	d.forget()
	d.Elements = slices.DeleteFunc(d.Elements, func(e Element) bool { return e.Tag == t })
}

// forget drops what was found out of the elements before they changed.
func (d *Dataset) forget() {
	d.shared.Store(nil)
	d.starts.Store(nil)
}

// sortElements puts what a file holds out of order in order; of doubled elements only the last stays, as
// the common toolkits have it. It says whether anything was to do.
func (d *Dataset) sortElements() bool {
	inOrder := true
	for i := 1; i < len(d.Elements); i++ {
		if d.Elements[i-1].Tag >= d.Elements[i].Tag {
			inOrder = false
			break
		}
	}
	if inOrder {
		return false
	}
	slices.SortStableFunc(d.Elements, func(a, b Element) int {
		switch {
		case a.Tag < b.Tag:
			return -1
		case a.Tag > b.Tag:
			return 1
		}
		return 0
	})
	n := 0
	for i, e := range d.Elements {
		if i+1 < len(d.Elements) && d.Elements[i+1].Tag == e.Tag {
			continue
		}
		d.Elements[n] = e
		n++
	}
	clear(d.Elements[n:])
	d.Elements = d.Elements[:n]
	return true
}

func (d *Dataset) root() *Dataset {
	for d.parent != nil {
		d = d.parent
	}
	return d
}

func (d *Dataset) warn(text string) {
	if len(d.Warnings) < 16 && !slices.Contains(d.Warnings, text) {
		d.Warnings = append(d.Warnings, text)
	}
}
