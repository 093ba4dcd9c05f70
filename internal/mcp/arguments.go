package mcp

import "github.com/sallyport-dev/sallyport/engine/jsonscan"

// TwinArgument finds an argument whose name differs from a property of the
// tool's inputSchema only by case, at any depth. A server on encoding/json or its
// kin reads it as that property, where policy, which reads names exactly, sees
// the property missing: such a call must be refused.
func TwinArgument(arguments, inputSchema jsonscan.Value) (name string, found bool) {
	if arguments.Kind() == jsonscan.Array {
		items := inputSchema.Get("items")
		for c := arguments.Cursor(); c.Next() && items.Exists(); {
			if name, found = TwinArgument(c.Value(), items); found {
				return name, true
			}
		}
		return "", false
	}
	properties := inputSchema.Get("properties")
	if arguments.Kind() != jsonscan.Object || properties.Kind() != jsonscan.Object {
		return "", false
	}
	for c := arguments.Cursor(); c.Next(); {
		name := c.Name().Text()
		property := properties.Get(name)
		if !property.Exists() && properties.GetFold(name).Exists() {
			return name, true
		}
		if inner, found := TwinArgument(c.Value(), property); found {
			return inner, true
		}
	}
	return "", false
}
