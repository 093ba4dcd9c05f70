package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

func TestPluginLog(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	var p pluginLog
	at := time.Unix(1, 0)
	say := func(plugin string, level hostapi.Level, n, dropped int) string {
		out.Reset()
		var lines []wasm.Line
		for i := range n {
			lines = append(lines, wasm.Line{Level: level, Text: fmt.Sprint("line ", i)})
		}
		p.write(log, at, plugin, lines, dropped)
		return out.String()
	}
	const line = `level=%s msg="a plugin logs" plugin=%s text="line %d"%s` + "\n"
	if got, want := say("a", hostapi.LevelWarn, 1, 0), fmt.Sprintf(line, "WARN", "a", 0, ""); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := say("a", hostapi.LevelDebug, 1000, 0); got != "" {
		t.Errorf("what isn't logged at this level: got %s", got)
	}
	if got := strings.Count(say("a", hostapi.LevelError, 64, 3), "\n"); got != maxPluginLines-1 {
		t.Errorf("the second line to the last of a second: got %d, want %d", got, maxPluginLines-1)
	}
	if got := say("a", hostapi.LevelError, 1, 0); got != "" {
		t.Errorf("a line too many: got %s", got)
	}
	if got, want := say("b", hostapi.LevelInfo, 1, 0), fmt.Sprintf(line, "INFO", "b", 0, ""); got != want {
		t.Errorf("another plugin's first line: got %s, want %s", got, want)
	}
	// Of 64 lines 19 were written, the host had dropped 3 (which the first line told), and one came after.
	at = at.Add(time.Second)
	if got, want := say("a", hostapi.LevelInfo, 1, 0), fmt.Sprintf(line, "INFO", "a", 0, " left_out=46"); got != want {
		t.Errorf("the first line of the next second: got %s, want %s", got, want)
	}
	at = at.Add(-time.Hour)
	if got := strings.Count(say("a", hostapi.LevelInfo, 64, 0), "\n"); got != maxPluginLines {
		t.Errorf("when the clock has gone back: got %d lines, want %d", got, maxPluginLines)
	}
}
