package jpeg

// lutBits is how many bits the first look at a code takes. Codes in noisy CT slices have 2 to 6 bits and 3 to 6 more for
// the value, so nearly all are found whole.
const lutBits = 11

// table decodes the codes of one Huffman table (T.81 annex C and F.2.2).
type table struct {
	// fast is indexed by the next lutBits bits. An entry holds
	//	bits 0 to 7: how many bits code and value take together; 0 where they are not all there
	//	bits 8 to 15: the symbol
	//	bits 16 to 31: the value, two's complement; where bits 0 to 7 are 0, the length of the code, or 0 where that
	//	is longer than lutBits or none
	fast [1 << lutBits]uint32
	// limit[l] is what the next 16 bits lie below where the code has at most l bits; base[l] brings a code of l bits
	// to its place in symbols.
	limit   [17]int32
	base    [17]int32
	symbols [256]byte
}

// build makes the table from the number of codes of each length, 1 to 16, and their symbols. In tables for differences
// (DC and lossless) the symbol is the size of the value; in those for AC coefficients its lower half is.
func (t *table) build(counts, symbols []byte, difference bool) error {
	copy(t.symbols[:], symbols)
	code, k := 0, 0
	for l := 1; l <= 16; l++ {
		t.base[l] = int32(k - code)
		for range counts[l-1] {
			if code >= 1<<l {
				return corrupt("a Huffman table has more codes than bits allow")
			}
			symbol := symbols[k]
			size := int(symbol & 15)
			if difference {
				size = int(symbol)
				if size > 16 {
					return corrupt("a Huffman table for differences has symbol %d", size)
				}
			}
			if l <= lutBits {
				t.fill(code, l, symbol, size)
			}
			code++
			k++
		}
		t.limit[l] = int32(code << (16 - l))
		code <<= 1
	}
	return nil
}

// fill enters a code of l bits into fast.
func (t *table) fill(code, l int, symbol byte, size int) {
	free := lutBits - l
	at := t.fast[code<<free : (code+1)<<free]
	switch {
	case size == 16: // the difference 32768, without further bits (T.81 H.1.2.2)
		for i := range at {
			at[i] = 0x8000<<16 | uint32(symbol)<<8 | uint32(l)
		}
	case size > free:
		for i := range at {
			at[i] = uint32(l)<<16 | uint32(symbol)<<8
		}
	default:
		for i := range at {
			v := extend(uint32(i)>>(free-size), uint(size))
			at[i] = uint32(v)<<16 | uint32(symbol)<<8 | uint32(l+size)
		}
	}
}

// extend turns the size bits that follow a code into the value (T.81 F.2.2.1, figure F.12).
func extend(v uint32, size uint) int32 {
	if size == 0 || v>>(size-1) != 0 {
		return int32(v)
	}
	return int32(v) - 1<<size + 1
}

// lookup finds the symbol whose code the topmost bits of acc begin with, and the code's length; -1 and 0 where there is
// none.
func (t *table) lookup(acc uint64) (int, uint) {
	next := int32(acc >> 48)
	for l := 1; l <= 16; l++ {
		if next < t.limit[l] {
			return int(t.symbols[byte(next>>(16-l)+t.base[l])]), uint(l)
		}
	}
	return -1, 0
}

// long decodes what fast does not hold whole, at the topmost bits of acc: the value, the run of an AC symbol, and how
// many bits both take, at most 32. It returns 0 bits where there is no such code.
func (t *table) long(acc uint64, e uint32, difference bool) (value int32, run, length uint32) {
	symbol, l := int(e>>8&0xFF), uint(e>>16)
	if e == 0 {
		if symbol, l = t.lookup(acc); l == 0 {
			return 0, 0, 0
		}
	}
	size := uint(symbol)
	if !difference {
		size &= 15
	}
	if size == 16 {
		return -32768, 0, uint32(l)
	}
	value = extend(uint32(acc<<l>>1>>(63-size)), size)
	return value, uint32(symbol >> 4), uint32(l + size)
}
