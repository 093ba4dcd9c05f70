package main

import (
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/internal/config"
)

type schemaCommand struct {
	Format string `arg:"" enum:"config,policy" help:"Which format: config or policy."`
}

func (c schemaCommand) Run(p *process) error {
	schema := config.Schema
	if c.Format == "policy" {
		schema = policy.Schema
	}
	_, err := p.stdout.Write(schema())
	return err
}
