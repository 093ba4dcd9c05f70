package main

import (
	"github.com/sallyport-dev/sallyport/engine/enginetest"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/internal/config"
)

type schemaCommand struct {
	Format string `arg:"" enum:"config,policy,test" help:"Which format: config, policy or test."`
}

func (c schemaCommand) Run(p *process) error {
	schema := config.Schema
	switch c.Format {
	case "policy":
		schema = policy.Schema
	case "test":
		schema = enginetest.Schema
	}
	_, err := p.stdout.Write(schema())
	return err
}
