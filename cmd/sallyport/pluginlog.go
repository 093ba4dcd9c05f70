package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// pluginLog writes what plugins log into the gateway's log. Whoever makes calls can make a plugin log, so each has only so many lines a
// second; how many were left out is said with the next line. The zero pluginLog is ready, and safe for concurrent use.
type pluginLog struct {
	mu  sync.Mutex
	all map[string]*loggedBy // by the plugin's name
}

// loggedBy counts the lines of one plugin.
type loggedBy struct {
	began   time.Time // of the second that is counted
	written int
	left    int // out, since a line was written
}

// maxPluginLines is how many lines a plugin may write in a second.
const maxPluginLines = 20

var pluginLevels = map[hostapi.Level]slog.Level{
	hostapi.LevelDebug: slog.LevelDebug, hostapi.LevelInfo: slog.LevelInfo, hostapi.LevelWarn: slog.LevelWarn, hostapi.LevelError: slog.LevelError,
}

// write writes the lines that a plugin logs in a call, of which there were more than it may.
func (p *pluginLog) write(log *slog.Logger, now time.Time, plugin string, lines []wasm.Line, dropped int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	of := p.of(plugin, now)
	of.left += dropped
	for _, l := range lines {
		level := pluginLevels[l.Level]
		switch {
		case !log.Enabled(context.Background(), level):
			continue
		case of.written == maxPluginLines:
			of.left++
			continue
		}
		of.written++
		attrs := []any{"plugin", plugin, "text", l.Text}
		if of.left > 0 {
			attrs = append(attrs, "left_out", of.left)
			of.left = 0
		}
		log.Log(context.Background(), level, "a plugin logs", attrs...)
	}
}

func (p *pluginLog) of(plugin string, now time.Time) *loggedBy {
	of := p.all[plugin]
	if of == nil {
		of = &loggedBy{began: now}
		if p.all == nil {
			p.all = map[string]*loggedBy{}
		}
		p.all[plugin] = of
	}
	if since := now.Sub(of.began); since < 0 || since >= time.Second {
		of.began, of.written = now, 0
	}
	return of
}
