package stream

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// loggerFactory brings pion's log into ours, one level down: what pion calls an error, such as a malformed packet from
// the network, is no error of this program.
type loggerFactory struct{ log *slog.Logger }

func (f loggerFactory) NewLogger(scope string) logging.LeveledLogger {
	return leveledLogger{f.log.With("scope", scope)}
}

type leveledLogger struct{ log *slog.Logger }

func (l leveledLogger) put(level slog.Level, format string, args ...any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, "webrtc", "detail", fmt.Sprintf(format, args...))
	}
}

func (l leveledLogger) Trace(string)                 {}
func (l leveledLogger) Tracef(string, ...any)        {}
func (l leveledLogger) Debug(string)                 {}
func (l leveledLogger) Debugf(string, ...any)        {}
func (l leveledLogger) Info(string)                  {}
func (l leveledLogger) Infof(string, ...any)         {}
func (l leveledLogger) Warn(msg string)              { l.put(slog.LevelDebug, "%s", msg) }
func (l leveledLogger) Warnf(f string, args ...any)  { l.put(slog.LevelDebug, f, args...) }
func (l leveledLogger) Error(msg string)             { l.put(slog.LevelInfo, "%s", msg) }
func (l leveledLogger) Errorf(f string, args ...any) { l.put(slog.LevelInfo, f, args...) }
