package service

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// LogFlags defines --log-level and --log-format. The function it returns, called after Parse, makes the
// logger that they ask for.
func LogFlags(f *Flags) func(io.Writer) (*slog.Logger, error) {
	f.Group("Logging")
	level := f.String("log-level", "info", "least `level` that is logged: debug, info, warn or error")
	format := f.String("log-format", "text", "`format` of the log: text or json")
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
