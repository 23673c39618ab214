package service

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// LogFlags defines --log-level and --log-format. The function it returns, called after Parse, makes the
// logger that they ask for.
func LogFlags(f *Flags) func(io.Writer) (*slog.Logger, error) {
	f.Group("Logging")
	level := f.String("log-level", "info", "what is logged: `level` debug, info, warn or error")
	format := f.String("log-format", "text", "how it is written: `format` text or json")
	return func(w io.Writer) (*slog.Logger, error) { return NewLogger(w, *format, *level) }
}

// NewLogger returns a logger that writes to w in a format (text or json) from a level on (debug, info, warn,
// error).
func NewLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("%w: --log-level %.40q: it must be debug, info, warn or error", ErrUsage, level)
	}
	options := &slog.HandlerOptions{Level: l}
	switch strings.ToLower(format) {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fmt.Errorf("%w: --log-format %.40q: it must be text or json", ErrUsage, format)
}

// uidSalt makes the hashes of one run useless for finding a UID in another run's logs or by trying UIDs.
var uidSalt = func() [16]byte {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return b
}()

// HashUID stands for a DICOM UID in logs and metrics: the same within one run of the program, and without a
// way back to the patient.
func HashUID(uid string) string {
	h := sha256.New()
	h.Write(uidSalt[:])
	h.Write([]byte(uid))
	return "#" + hex.EncodeToString(h.Sum(nil)[:5])
}
