package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// rule is one policy of the question: a tool, who is meant, and what the arguments must be. Three stand about each tool.
type rule struct {
	tool   string
	role   string // who may call the tool
	limit  int    // with an args.limit of at most this, and an args.path under root
	barred string // or: the user who may not, whatever his roles
}

const root = "/srv/docs/"

// rules are the first n policies.
func rules(n int) []rule {
	all := make([]rule, n)
	for i := range all {
		tool := i / 3
		all[i] = rule{tool: toolName(tool)}
		switch i % 3 {
		case 0:
			all[i].role, all[i].limit = fmt.Sprintf("reader-%d", tool%10), 100+tool%7
		case 1:
			all[i].role, all[i].limit = fmt.Sprintf("writer-%d", tool%10), 10+tool%7
		case 2:
			all[i].barred = fmt.Sprintf("user-%d", tool%50)
		}
	}
	return all
}

func toolName(i int) string { return fmt.Sprintf("tool_%d", i) }

// tools is how many tools n policies are about.
func tools(n int) int { return (n + 2) / 3 }

// call is what is asked: may this user, with these roles, call this tool with these arguments?
type call struct {
	user  string
	roles []string
	tool  string
	args  []byte // JSON, 1 KiB
}

// answer is what must be answered, by nothing but reading the policies.
func answer(all []rule, c *call, limit int, path string) bool {
	allowed := false
	for _, r := range all {
		switch {
		case r.tool != c.tool:
		case r.barred == c.user:
			return false
		case r.barred == "" && strings.Contains(" "+strings.Join(c.roles, " ")+" ", " "+r.role+" ") && limit <= r.limit && strings.HasPrefix(path, root):
			allowed = true
		}
	}
	return allowed
}

// question is a set of policies, and calls with the answers that they must get.
type question struct {
	rules   []rule
	calls   []call
	answers []bool
}

// newQuestion draws calls about n policies: in turn one that is allowed, one of a tool without policies, and ones that fail for the
// role, the limit, the path and the user.
func newQuestion(n, calls int, seed uint64) *question {
	rnd := rand.New(rand.NewPCG(seed, uint64(n)))
	q := &question{rules: rules(n)}
	for i := range calls {
		tool := rnd.IntN(tools(n))
		kind := "reader"
		if rnd.IntN(2) == 0 {
			kind = "writer"
		}
		c := call{
			user: fmt.Sprintf("user-%d", 50+rnd.IntN(50)), tool: toolName(tool),
			roles: []string{"employee", "eu", "contractor", "analyst", fmt.Sprintf("%s-%d", kind, tool%10)},
		}
		limit, path := rnd.IntN(10), root+"finance/2026/report.md"
		switch i % 8 {
		case 1:
			c.roles[4] = fmt.Sprintf("reader-%d", (tool+1)%10)
		case 3:
			limit = 200
		case 4:
			path = "/etc/passwd"
		case 5:
			c.user = fmt.Sprintf("user-%d", tool%50)
		case 6:
			c.tool = "unknown"
		}
		c.args = fmt.Appendf(nil, `{"path":%q,"limit":%d,"text":%q,"filter":{"tags":["a","b"],"since":"2026-11-22"}}`, path, limit, strings.Repeat("x", 900))
		q.calls = append(q.calls, c)
		q.answers = append(q.answers, answer(q.rules, &c, limit, path))
	}
	return q
}
