package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Everyone answers every call alike, and rightly; some calls are allowed, and some refused.
func TestContenders_answerAlike(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 100, 400} {
		for seed := range uint64(3) {
			q := newQuestion(n, 64, seed)
			if _, err := q.cells(t.Context()); err != nil {
				t.Fatalf("%d policies: %v", n, err)
			}
			allowed := 0
			for _, yes := range q.answers {
				if yes {
					allowed++
				}
			}
			if n > 3 && (allowed < 10 || allowed > 40) {
				t.Errorf("%d policies: %d of 64 calls are allowed", n, allowed)
			}
		}
	}
}

// A wrong answer stops the measure.
func TestCells_refuseAWrongAnswer(t *testing.T) {
	q := newQuestion(10, 8, 1)
	q.answers[0] = !q.answers[0]
	if _, err := q.cells(t.Context()); err == nil || !strings.Contains(err.Error(), "where "+fmt.Sprint(q.answers[0])+" is right") {
		t.Fatal(err)
	}
}

func TestRun_printsATable(t *testing.T) {
	p := plan{sizes: []int{1, 2, 20, 200}, calls: 8, cycles: 1, slice: time.Microsecond, goals: true}
	r, err := p.run(t.Context(), func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	out := r.text()
	for _, want := range []string{"| policies | arguments | Sallyport | OPA | Cerbos | cedar-go | cel-go |", "\n| 20 | bytes | ", "\n| 200 | decoded | ", "- p50 from 2 to 200 rules: ", "- cedar-go takes "} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
