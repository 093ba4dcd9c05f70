package duel

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// looks are decisions that a gateway's decision cache had to do with.
type looks struct{ hits, others int64 }

func (l looks) plus(m looks) looks  { return looks{l.hits + m.hits, l.others + m.others} }
func (l looks) minus(m looks) looks { return looks{l.hits - m.hits, l.others - m.others} }

// leastHits is the share of hits below which figures are not those of the cache. A call here repeats the one before.
const leastHits = 0.99

// wrong says why the figures of a target are not what they are taken for; "" if they are.
func (l looks) wrong(target string) string {
	switch kind, _, _ := strings.Cut(target, "="); {
	case kind == SallyportRego && (l.hits == 0 || float64(l.hits) < leastHits*float64(l.hits+l.others)):
		return fmt.Sprintf("only %d of %d decisions were remembered", l.hits, l.hits+l.others)
	case kind == SallyportRegoAsked && l != looks{}:
		return fmt.Sprintf("%d decisions were looked up, and there should be no cache", l.hits+l.others)
	}
	return ""
}

// look counts what the caches of the targets that are about one have done so far: with looks.minus before the cycles, and with
// looks.plus after them.
func (r *Report) look(ctx context.Context, l Load, targets []*target, count func(looks, looks) looks) error {
	for _, t := range targets {
		if kind, _, _ := strings.Cut(t.name, "="); kind != SallyportRego && kind != SallyportRegoAsked {
			continue
		}
		now, err := t.looks(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		s := r.series[cell{l.Name, t.name}]
		s.looked = count(s.looked, now)
	}
	return nil
}

// looks reads the gateway's metrics.
func (t *target) looks(ctx context.Context) (looks, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.admin+"/metrics", nil)
	if err != nil {
		return looks{}, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return looks{}, err
	}
	defer res.Body.Close() //nolint:errcheck // only read
	if res.StatusCode != http.StatusOK {
		return looks{}, fmt.Errorf("metrics: %s", res.Status)
	}
	return readLooks(res.Body)
}

// readLooks adds up the counter of the decision cache in a text of metrics.
func readLooks(text io.Reader) (l looks, err error) {
	const counter = "sallyport_decision_cache_total{"
	for lines := bufio.NewScanner(text); ; {
		if !lines.Scan() {
			return l, lines.Err()
		}
		labels, value, ok := strings.Cut(lines.Text(), "} ")
		if !ok || !strings.HasPrefix(labels, counter) {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return l, err
		}
		if strings.Contains(labels, `result="hit"`) {
			l.hits += int64(n)
		} else {
			l.others += int64(n)
		}
	}
}

// writeRemembered says what the cache is worth, and how often it had the answer.
func (r *Report) writeRemembered(b *strings.Builder, load string) {
	with, without := r.series[cell{load, SallyportRego}], r.series[cell{load, SallyportRegoAsked}]
	if with == nil || without == nil {
		return
	}
	by := versus(with, without, func(a, b sample) float64 { return ratio(a.rate, b.rate) })
	cpu := versus(with, without, func(a, b sample) float64 { return a.cpu - b.cpu })
	fmt.Fprintf(b, "\n%s: %s has %.2f [%.2f-%.2f] times the throughput of %s, and takes %+.1f us of CPU for a call; %d of %d decisions were remembered\n",
		load, SallyportRego, by.mid, by.low, by.high, SallyportRegoAsked, cpu.mid, with.looked.hits, with.looked.hits+with.looked.others)
}
