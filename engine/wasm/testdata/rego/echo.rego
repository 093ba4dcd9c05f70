package echo

# What the message says is the decision.
decision := input.args.decision

# What the module sees.
seen := {"verdict": "pass", "notes": {"input": json.marshal(input), "data": json.marshal([data.tools, settings])}}

default settings := null

settings := data.settings

# An item of a list whose name begins with "secret" is left out.
list := {"allow": true, "drop": [i | some i, item in input.items; startswith(item.name, "secret")]}

# Longer than anybody waits.
slow := {"allow": count([1 | some i in numbers.range(1, 100000); some j in numbers.range(1, 100000); i == j + input.args.n]) > 0}

# A module that gives up: two results for one rule.
conflict := x if {
	some x in [1, input.args.n]
}
