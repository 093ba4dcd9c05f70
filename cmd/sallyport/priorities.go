package main

import (
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/overload"
)

// prioritySpecs are the priorities of a config.
func prioritySpecs(c *config.Config) []overload.Spec {
	specs := make([]overload.Spec, 0, len(c.Overload.Priorities))
	for _, p := range c.Overload.Priorities {
		specs = append(specs, overload.Spec{Name: p.Name, When: p.When, At: overload.Percent(p.ShedAt)})
	}
	return specs
}
