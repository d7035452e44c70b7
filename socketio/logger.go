package socketio

import (
	"context"
	"log/slog"
)

// safeLogger is a logger whose handler, which is the application's, ends nothing by a
// panic: what it was told is lost.
func safeLogger(l *slog.Logger) *slog.Logger {
	if _, safe := l.Handler().(safeHandler); safe {
		return l
	}
	return slog.New(safeHandler{l.Handler()})
}

type safeHandler struct{ handler slog.Handler }

// Enabled is false if the handler panics.
func (h safeHandler) Enabled(ctx context.Context, level slog.Level) (enabled bool) {
	defer func() { _ = recover() }()
	return h.handler.Enabled(ctx, level)
}

// Handle drops the record if the handler panics.
func (h safeHandler) Handle(ctx context.Context, r slog.Record) error {
	defer func() { _ = recover() }()
	return h.handler.Handle(ctx, r)
}

// WithAttrs and WithGroup are called where bindings add to the logger.
func (h safeHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return safeHandler{h.handler.WithAttrs(attrs)}
}

func (h safeHandler) WithGroup(name string) slog.Handler {
	return safeHandler{h.handler.WithGroup(name)}
}
