package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
)

// loops are conditions that go over lists of the caller's, at worst for each element of one over all of another.
var loops = []string{
	`args.list.all(x, x >= 0)`,
	`args.list.all(x, args.list.all(y, x == y || true))`,
	`args.list.all(x, x in args.list)`,
	`args.list.all(x, args.list.size() > 0)`,
	`args.list.all(x, args.list[1] == 1 || true)`,
	`args.list.all(x, args.list[size(args.list) - 1] == 1 || true)`,
	`args.list.all(x, args.object.z == 1)`,
	`args.list.all(x, has(args.object.zz) || true)`,
	`args.list.all(x, size(args.object) > 0)`,
	`args.list.all(x, args.object["z"] == 1)`,
	`args.list.all(x, size(args.text) > 0)`,
	`args.list.all(x, args.nested.size() > 0)`,
	`args.list.all(x, args.list == args.list)`,
	`args.list.map(x, x + 1).all(x, x >= 0)`,
	`args.list.filter(x, x >= 0).size() >= 0`,
	`args.object.all(k, args.object[k] >= 0)`,
	`args.list.all(x, args.list == [])`,
	`args.list.all(x, args.object != {} || true)`,
	`args.list.all(x, string(args.list[0]) != "")`,
	`args.list.all(x, args.list + args.list != [] || true)`,
	`args.list.all(x, (args.list + args.list) == (args.list + args.list) || true)`,
	`args.list.all(x, args.object == args.object)`,
	`args.list.all(x, args.nested[0].size() > 0 && args.nested[0][1] == 0)`,
	`args.list.all(x, args.many.k40.size() > 0 && args.many["k" + string(x)].size() > 0)`,
	`args.nested.all(x, x.size() > 0 && x.all(y, y >= 0 && x[1] == 0))`,
	`args.list.all(x, path.clean(args.text) != "")`,
	`args.list.all(x, args.text.matches("(x+x+)+y") || true)`,
	`args.list.all(x, string(bytes(args.text)) != "")`,
	`args.list.all(x, args.text + args.text != "")`,
	`args.list.all(x, args.text.split("x").size() > 0)`,
	`args.list.all(x, args.list.sort() != [])`,
	`args.list.all(x, args.list.distinct().size() > 0)`,
	`args.list.all(x, args.list.slice(1, 2).size() > 0)`,
	`args.list.all(x, args.list.reverse().size() > 0)`,
	`args.list.all(x, sets.contains(args.list, args.list))`,
	`args.list.all(x, json.parse(args.text).hasValue() || true)`,
	`args.list.all(x, args.text.lowerAscii() != "" && args.text.replace("x", "yy") != "")`,
	`args.list.all(x, has(args.list[0].a) || true)`,
	`args.list.all(x, timestamp(args.text) > now || true)`,
	`args.list.all(x, int(args.text) > 0 || true)`,
	`args.list.all(x, args.text.size() > 0)`,
	`args.list.all(x, !(5 in args.list))`,
	`args.list.all(x, !(args.text in args.words))`,
	`args.list.all(x, !("zz" in args.object))`,
	`args.list.all(x, args.text >= args.text)`,
	`args.list.all(x, args.words.join(",") != "")`,
	`args.list.all(x, math.greatest(args.list) >= 0)`,
	`args.list.all(x, args.nested.flatten().size() > 0)`,
	`args.list.all(x, args.list.first().hasValue() && args.list.last().hasValue())`,
	`args.list.all(x, json.encode(args.list) != "")`,
	`args.list.all(x, args.text.substring(1) != "" && args.text.charAt(7) != "")`,
	`args.list.all(x, args.text.indexOf("y") < 0 && args.text.lastIndexOf("y") < 0)`,
	`args.list.all(x, args.text.trim() != "" && args.text.reverse() != "")`,
	`args.list.all(x, url(args.text).getHost() == "" || true)`,
	`args.list.all(x, isURL(args.text) || true)`,
	`args.list.all(x, isIP(args.text) || true)`,
	`args.list.all(x, base64.encode(bytes(args.text)) != "")`,
	`args.list.all(x, strings.quote(args.text) != "")`,
	`args.list.all(x, "%s %s".format([args.text, args.list]) != "")`,
	`args.list.all(x, duration(args.text) > duration("1s") || true)`,
	`args.list.all(x, double(args.text) > 0.0 || uint(args.text) > 0u || bool(args.text) || true)`,
	`args.list.all(x, string(args.text) != "" && dyn(args.list) != [])`,
	`args.list.all(x, glob(args.text, "*y*z*") || path.match(args.text, "**/y") || true)`,
	`args.list.all(x, host.isPublic(args.text) || true)`,
	`args.list.all(x, args.words.sort() != [])`,
	`args.words.sortBy(w, args.words.size()).size() > 0`,
	`args.list.all(x, lists.range(10000).size() > 0)`,
	`args.list.all(x, args.list.hasAny(args.words) || true)`,
	`args.list.all(x, regex.replace(args.text, "x", "yy") != "")`,
	`args.list.all(x, regex.extractAll(args.text, "x").size() > 0)`,
	`args.list.transformMap(i, v, v).size() > 0`,
	`args.list.all(x, args.?list.orValue([]).size() > 0)`,
	`args.list.all(x, optional.of(args.list).hasValue())`,
	`args.nested.all(l, args.list.all(x, (l + l).size() > 0))`,
	`args.list.all(x, args.nested.all(l, (l + l).size() > 0))`,
	`args.list.all(x, args.nested.all(l, l.size() > 0 && l[1] == 0))`,
	`args.list.all(x, args.nested.exists(l, l.last().hasValue()))`,
	`args.list.all(x, path.join(args.text, args.text) != "")`,
	`args.ids.distinct().size() > 0`,
	`args.ids.hasAny(args.words) || true`,
	`args.ids.hasOnly(args.ids) && args.ids.hasExactly(args.ids) && args.ids.hasAll(args.ids)`,
	`sets.contains(args.ids, args.ids) && sets.equivalent(args.ids, args.ids)`,
	`sets.intersects(args.ids, args.words) || true`,
	`sets.intersects(args.words, args.ids) || true`,
	`args.ids.sort().size() > 0`,
	`args.list.all(x, args.objects.all(o, o.l[1] == 0 && o.l.size() > 0))`,
	`args.list.all(x, args.many.all(k, args.many[k].size() > 0))`,
}

func loopCall(t testing.TB, n int) *engine.Request {
	var object strings.Builder
	for i := range n / 8 {
		fmt.Fprintf(&object, `"k%d":1,`, i)
	}
	var many strings.Builder
	for i := range 50 {
		fmt.Fprintf(&many, `"k%d":[%s0],`, i, strings.Repeat("0,", n/100))
	}
	var ids strings.Builder
	for i := range n / 3 {
		fmt.Fprintf(&ids, "%d,", i)
	}
	args := fmt.Sprintf(`{"list":[%s0],"object":{%s"z":1},"text":%q,"nested":[[%s0],[%s0]],"many":{%s"z":0},"words":[%s"z"],"ids":[%s0],"objects":[{"l":[%s0]}]}`,
		strings.Repeat("0,", n), object.String(), strings.Repeat("x", n), strings.Repeat("0,", n/3), strings.Repeat("0,", n/3), many.String(), strings.Repeat(`"word",`, n/4), ids.String(), strings.Repeat("0,", n))
	return &engine.Request{Method: "tools/call", Server: "s", Tool: "t", Arguments: scan(t, []byte(args))}
}

func loopRule(t testing.TB, when string) *engine.Snapshot {
	set, err := bundle.FS(fstest.MapFS{"p.yaml": {Data: []byte("apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules:\n  - { name: all, effect: allow }\n  - name: loop\n    when: '" + when + "'\n    effect: deny\n")}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := engine.Compile(t.Context(), set, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Whatever a loop does to what the caller sends, it ends, by its cost if it is long, and denies: with the reason, the rule and its place.
func TestDecide_boundsLoops(t *testing.T) {
	r := loopCall(t, 30000)
	for _, when := range loops {
		s := loopRule(t, when)
		// Each takes some milliseconds. What is not bounded takes minutes, and is interrupted by this.
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		d := s.Decide(ctx, r)
		cancel()
		if d.Reason == engine.ReasonDeniedByRule || d.Allowed() && d.Cause == nil { // it came to an end
			continue
		}
		if d.Effect != engine.Deny || d.Reason != engine.ReasonCostExceeded || d.Rule == nil || d.Rule.ID() != "p/loop" || d.Rule.File != "p.yaml" || d.Rule.Line != 6 {
			t.Errorf("%s: %s %s by %+v: %v", when, d.Effect, d.Reason, d.Rule, d.Cause)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	d := loopRule(t, loops[0]).Decide(ended, r)
	if d.Effect != engine.Deny || d.Reason != engine.ReasonInterrupted || d.Rule == nil || d.Rule.Line != 6 {
		t.Errorf("interrupted: %s %s by %+v: %v", d.Effect, d.Reason, d.Rule, d.Cause)
	}
}

// What json.encode writes is counted, however few elements it writes it of.
func TestDecide_countsEncodedText(t *testing.T) {
	args := fmt.Sprintf(`{"list":[%s0],"one":["%s"]}`, strings.Repeat("0,", 50), strings.Repeat("x", 30000))
	r := &engine.Request{Method: "tools/call", Server: "s", Tool: "t", Arguments: scan(t, []byte(args))}
	if d := loopRule(t, `args.list.all(x, json.encode(args.one) != "")`).Decide(t.Context(), r); d.Reason != engine.ReasonCostExceeded {
		t.Errorf("%s %s: %v", d.Effect, d.Reason, d.Cause)
	}
}

// BenchmarkLoop times them on as much as may be looked into.
func BenchmarkLoop(b *testing.B) {
	r := loopCall(b, 30000)
	for _, when := range loops {
		b.Run(when, func(b *testing.B) {
			s := loopRule(b, when)
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				s.Decide(ctx, r)
			}
		})
	}
}
