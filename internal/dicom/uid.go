package dicom

import (
	"crypto/sha256"
	"math/big"
)

// UIDFromName derives a UID from a name, always the same: 2.25 and the decimal value of a UUID (PS3.5 B.2) of
// version 8 (RFC 9562 5.8) that is made of the name's SHA-256.
func UIDFromName(name string) string {
	sum := sha256.Sum256([]byte(name))
	id := sum[:16]
	id[6] = id[6]&0x0F | 0x80
	id[8] = id[8]&0x3F | 0x80
	return "2.25." + new(big.Int).SetBytes(id).String()
}
