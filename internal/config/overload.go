package config

import (
	"fmt"
	"slices"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// Overload says which requests are refused first while the gateway is short of something.
type Overload struct {
	Priorities []Priority `yaml:"priorities" jsonschema:"minItems=1,maxItems=100" jsonschema_description:"Which requests are refused from where on. The first that holds decides; what none holds for is refused by its kind: streams from 80 percent on, lists from 90, calls never."`
}

// Priority is requests that matter alike.
type Priority struct {
	Name   string      `yaml:"name" jsonschema:"required,minLength=1" jsonschema_description:"What records and metrics call it."`
	When   source.Text `yaml:"when" jsonschema:"required" jsonschema_description:"A CEL condition on the request and its caller, such as \"batch\" in principal.groups."`
	ShedAt int         `yaml:"shedAt" jsonschema:"minimum=1,maximum=100" jsonschema_description:"The share of the scarcest resource, in percent, from which on these requests are refused. Left out, never: the bounds in limits hold for them all the same."`
}

// kindsShed are the names of priorities that every gateway has.
var kindsShed = []string{"streams", "lists", "calls", "exempt", "unknown"}

func (c *Config) checkPriorities() source.Diagnostics {
	var ds source.Diagnostics
	list, names := c.node.Get("overload").Get("priorities"), unique{}
	for i := range c.Overload.Priorities {
		name, at := c.Overload.Priorities[i].Name, list.Index(i).Get("name")
		if slices.Contains(kindsShed, name) {
			ds = append(ds, one(at, "SP1107", fmt.Sprintf("`%s` is the name of a priority that every gateway has", shown(at)), "call it something else: records and metrics tell them apart by it")...)
			continue
		}
		ds = append(ds, names.name(name, at, "priority")...)
	}
	return ds
}
