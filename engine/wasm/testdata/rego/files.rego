package files

# A policy as somebody would write it: who may do what with files.

default decision := {"allow": false, "reason": "not_yours", "message": "The file belongs to another tenant."}

decision := {"allow": true} if {
	input.mcp.tool.name in data.tools
	startswith(input.args.path, sprintf("/srv/%s/", [input.principal.claims.tenant]))
	not contains(input.args.path, "..")
}

decision := {"allow": true} if "admin" in input.principal.groups
