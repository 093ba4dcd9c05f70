# Who may do what with the file tools: each tenant in its own directory, with its own tools.
package files

default decision := {"allow": false, "reason": "no_tenant", "message": "Your key belongs to no tenant."}

decision := {"allow": count(objections) == 0, "deny": objections, "reason": "outside_tenant"} if tenant

# The settings of the rule that calls the plugin are in data.settings.
tenant := data.settings.tenants[input.principal.claims.tenant]

objections contains sprintf("%s is not for your tenant", [input.mcp.tool.name]) if not input.mcp.tool.name in tenant.tools

objections contains sprintf("stay in %s", [tenant.directory]) if not startswith(input.args.path, concat("", [tenant.directory, "/"]))

objections contains "write the path without dots" if "." in dots

objections contains "write the path without dots" if ".." in dots

dots := {part | some part in split(input.args.path, "/")}
