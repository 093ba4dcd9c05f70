package main

type demoCommand struct {
	Once bool `help:"End after the calls, and fail if they went otherwise than they should."`
}

func (c demoCommand) Run(p *process) error { return failf(exitUnexpected, "not built yet") }
