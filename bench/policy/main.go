// Command policy puts one question to Sallyport's engine and to others, checks that all answer it alike, and prints what an answer costs.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	smoke := flag.Bool("smoke", false, "a run of seconds, which says nothing about speed")
	cycles := flag.Int("cycles", 15, "how often everything is measured in turn")
	flag.Parse()
	plan := plan{sizes: []int{1, 10, 100, 1000, 10_000}, calls: 16, cycles: *cycles, slice: 50 * time.Millisecond, goals: true}
	if *smoke {
		plan.sizes, plan.cycles, plan.slice, plan.goals = []int{1, 10, 100}, 2, time.Millisecond, false
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	report, err := plan.run(ctx, func(n int) { fmt.Fprintf(os.Stderr, "%d policies measured\n", n) })
	if err == nil {
		_, err = os.Stdout.WriteString(report.text())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
