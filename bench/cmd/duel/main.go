// Command duel measures Sallyport against a bare fasthttp proxy, in one run on one
// machine, and prints the ratios as a Markdown table. See bench/README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/duel"
)

func main() {
	debug.SetGCPercent(800) // the generator shares the cores with what it measures
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "duel:", err)
		os.Exit(1)
	}
}

// duels are the targets that are measured beside each other.
const duels = duel.Direct + "," + duel.Bare + "," + duel.Sallyport10 + "," + duel.Sallyport1000 + "," + duel.SallyportPlugin

func run(ctx context.Context, args []string, out, log io.Writer) error {
	o := duel.Options{Loads: duel.Loads()}
	flags := flag.NewFlagSet("duel", flag.ExitOnError)
	flags.IntVar(&o.Cycles, "cycles", 20, "slices for each target under each load")
	flags.DurationVar(&o.Slice, "slice", 300*time.Millisecond, "length of a slice")
	flags.DurationVar(&o.Warmup, "warmup", 2*time.Second, "load before the first slice")
	flags.StringVar(&o.Binary, "sallyport", "", "`path` of a built gateway to measure instead of this module's")
	flags.BoolVar(&o.SSE, "sse", false, "let the upstream answer with event streams")
	flags.StringVar(&o.Peers, "gateways", "", "`directory` that bench/gateways/install has filled, for the targets tbxark, mcp-proxy and supergateway")
	flags.StringVar(&o.Dir, "dir", "", "keep binaries, configuration, audit and logs in this `directory`")
	targets := flags.String("targets", "", "what to measure instead of "+duels+", or of what another flag names; sallyport-10=`path` is another build of it, in the same run")
	only := flags.String("load", "", "measure only the load of this name, or those whose name contains this `text`")
	activate := flags.Bool("activate", false, "replace a thousand rules and six plugins under load, -cycles times under each; other targets than sallyport-swap are sallyport-swap=path of other builds of it")
	federation := flags.Bool("federation", false, "measure all servers of a federation as one beside one of them, and tools/list of a thousand tools")
	cache := flags.Bool("cache", false, "measure a costly plugin with and without the decision cache, when calls repeat")
	enforce := flags.Bool("enforce", false, "fail when a goal is missed")
	smoke := flags.Bool("smoke", false, "one short cycle: does everything run, without an error?")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *smoke {
		o.Cycles, o.Slice, o.Warmup = 1, 150*time.Millisecond, 300*time.Millisecond
	}
	switch {
	case *activate:
		o.Targets = []string{duel.SallyportSwap}
	case *federation:
		o.Targets, o.Loads = []string{duel.SallyportOne, duel.SallyportAll}, duel.FederationLoads()
	case *cache:
		o.Targets, o.Loads = []string{duel.Bare, duel.Sallyport10, duel.SallyportRego, duel.SallyportRegoAsked}, duel.CacheLoads()
	default:
		o.Targets = strings.Split(duels, ",")
	}
	if *targets != "" {
		o.Targets = strings.Split(*targets, ",")
	}
	o.Loads, o.Only = choose(o.Loads, *only), *only
	if o.Dir == "" {
		dir, err := os.MkdirTemp("", "duel-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir) //nolint:errcheck // in the temporary directory
		o.Dir = dir
	}
	if *activate {
		return runActivate(ctx, o, *enforce, out, log)
	}
	r, err := duel.Run(ctx, o, log)
	if err != nil {
		return err
	}
	return report(r, *enforce, out)
}

func runActivate(ctx context.Context, o duel.Options, enforce bool, out, log io.Writer) error {
	a, err := duel.Activate(ctx, o, log)
	if err != nil {
		return err
	}
	return report(a, enforce, out)
}

// measured is what a run gave.
type measured interface {
	WriteTable(io.Writer) error
	Errors() []string
	Missed() []string
}

// choose takes the load of this name, or all whose name contains the text.
func choose(loads []duel.Load, text string) []duel.Load {
	var chosen []duel.Load
	for _, l := range loads {
		if l.Name == text {
			return []duel.Load{l}
		}
		if strings.Contains(l.Name, text) {
			chosen = append(chosen, l)
		}
	}
	return chosen
}

// report prints the table and what is wrong with it.
func report(r measured, enforce bool, out io.Writer) error {
	if err := r.WriteTable(out); err != nil {
		return err
	}
	wrong, missed := r.Errors(), r.Missed()
	for _, line := range wrong {
		fmt.Fprintln(out, "ERRORS:", line)
	}
	for _, line := range missed {
		fmt.Fprintln(out, "missed:", line)
	}
	if len(wrong) > 0 {
		return errors.New("not every answer was right")
	}
	if enforce && len(missed) > 0 {
		return fmt.Errorf("%d goals missed", len(missed))
	}
	return nil
}
