package wasm

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm/cow"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// boot runs what a plugin runs once, and keeps what it leaves as the image of all instances.
func (p *program) boot(ctx context.Context, info *Info) error {
	begin := p.host.now()
	in, end, err := p.seed(ctx)
	if err != nil {
		return LoadErrors{{Code: LoadHost, Message: "no instance to boot: " + err.Error(), Err: err}}
	}
	defer end()
	in.begin(ctx, stageStart, p.host.options.BootFuel, begin+p.host.options.BootTime)
	if err := in.start(p.code.verified); err != nil {
		return orEnded(ctx, err)
	}
	info.BootFuel, info.BootLogs = in.used(), in.logs()
	p.config.pause()
	if err := p.take(ctx, in); err != nil {
		return err
	}
	info.Image, info.ImageBytes, info.Reset = p.digest(), p.image.Size(), p.reset()
	info.Boot = p.host.now() - begin
	return nil
}

// orEnded returns ctx's error if that is why err is there.
func orEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// seed makes the instance that is booted, on a memory of zeros.
func (p *program) seed(ctx context.Context) (in *instance, end func(), err error) {
	zeros, err := cow.NewImage(make([]byte, int(p.code.pages)*cow.PageSize), cow.Options{Limit: p.limits.Pages * cow.PageSize})
	if err != nil {
		return nil, nil, err
	}
	if in, err = p.instantiate(ctx, zeros); err != nil {
		_ = zeros.Close()
		return nil, nil, err
	}
	return in, func() {
		in.close()
		_ = zeros.Close()
	}, nil
}

// start runs the guest's start, gives it its settings, and has it test itself.
func (in *instance) start(v *verified) error {
	all := in.memory.Bytes()
	for _, d := range in.program.code.lifted.Data {
		if uint64(d.Offset)+uint64(len(d.Bytes)) > uint64(len(all)) {
			return refused(LoadBoot, "link the module anew", "%d bytes of data at %d don't fit into the memory of %d bytes", len(d.Bytes), d.Offset, len(all))
		}
		copy(all[d.Offset:], d.Bytes)
	}
	for _, name := range []string{in.program.code.lifted.Start, hostapi.ExportInitialize} {
		if name == "" || name == hostapi.ExportInitialize && !v.exports[name] {
			continue
		}
		if _, err := in.boot(name); err != nil {
			return err
		}
	}
	if in.program.rego != nil {
		return in.bootRego(v)
	}
	if err := in.configure(v); err != nil {
		return err
	}
	if !v.exports[hostapi.ExportSelftest] {
		return nil
	}
	in.stage = stageBoot
	code, err := in.boot(hostapi.ExportSelftest)
	if err == nil && code != 0 {
		err = in.refused(LoadSelfTest, "report it to whoever wrote the plugin", "the plugin's self-test found a mistake", code)
	}
	return err
}

// boot calls an export, and returns its result if it has one.
func (in *instance) boot(name string, args ...uint64) (uint32, error) {
	f := in.module.ExportedFunction(name)
	if f == nil {
		return 0, refused(LoadExport, "", "the module has no %s", name)
	}
	copy(in.stack[:], args)
	ok := in.invoke(f)
	in.output.flush(in.logLine)
	if ok {
		return uint32(in.stack[0]), nil
	}
	return 0, LoadErrors{{
		Code: LoadBoot, Message: fmt.Sprintf("%s failed: %s: %s", name, in.failure.Type, in.failure.Text), Logs: in.logs(),
		Help: "see what the plugin logged, or report it to whoever wrote it",
	}}
}

// configure gives the guest its settings.
func (in *instance) configure(v *verified) error {
	if !v.exports[hostapi.ExportValidateSettings] && !v.exports[hostapi.ExportConfigure] {
		return nil
	}
	settings := in.program.settings
	n := uint64(len(settings))
	at, err := in.boot(hostapi.ExportAlloc, n)
	if err != nil {
		return err
	}
	into := in.writable(uint64(at), n)
	if at == 0 || into == nil {
		return refused(LoadBoot, "return the address of as many bytes as are asked for", "%s(%d) returned %d, in a memory of %d bytes", hostapi.ExportAlloc, n, at, in.memory.Size())
	}
	copy(into, settings)
	in.stage = stageBoot
	for _, name := range []string{hostapi.ExportValidateSettings, hostapi.ExportConfigure} {
		if !v.exports[name] {
			continue
		}
		code, err := in.boot(name, uint64(at), n)
		if err != nil {
			return err
		}
		if code != 0 {
			return in.refused(LoadSettings, "", "the plugin refuses its settings", code)
		}
	}
	return nil
}

// refused is an error with which a guest ended an export, with what it has said of it.
func (in *instance) refused(c LoadCode, help, message string, code uint32) error {
	s := &in.said
	e := &LoadError{Code: c, Help: help, Message: fmt.Sprintf("%s (%d)", message, int32(code)), Logs: in.logs()}
	if s.reasoned {
		e.Message = fmt.Sprintf("%s: %s (%s)", message, s.of(s.message), s.of(s.code))
	}
	for _, n := range s.notes {
		if string(s.of(n.key)) == "path" {
			e.Pointer = string(s.of(n.text))
		}
	}
	return LoadErrors{e}
}

// logs returns what the guest has logged.
func (in *instance) logs() []Line {
	var r Result
	r.take(&in.said, hostapi.VerdictPass, true)
	return r.Logs
}

// take keeps the state of a booted instance.
func (p *program) take(ctx context.Context, in *instance) error {
	in.end()
	p.clock, p.state = in.clock, in.values()
	content := slices.Clone(in.memory.Bytes())
	ok, err := in.warm(ctx)
	if err != nil {
		return err
	}
	if ok {
		p.clock, p.state, content = in.clock, in.values(), in.memory.Bytes()
	}
	p.image, err = cow.NewImage(content, cow.Options{Limit: p.limits.Pages * cow.PageSize})
	if err != nil {
		return LoadErrors{{Code: LoadHost, Message: "no image: " + err.Error(), Err: err}}
	}
	if p.rego != nil && p.code.layable {
		if err := p.tryLayout(ctx); err != nil {
			return err
		}
	}
	p.config.pause()
	err = p.calibrate(ctx)
	p.config.pause()
	return err
}

func (in *instance) values() []uint64 {
	out := make([]uint64, len(in.globals))
	for i, g := range in.globals {
		out[i] = g.Get()
	}
	return out
}

// digest is of all that a call begins with.
func (p *program) digest() string {
	state := binary.LittleEndian.AppendUint64(nil, p.clock.ns)
	for _, v := range p.state {
		state = binary.LittleEndian.AppendUint64(state, v)
	}
	return digest(p.image.Content(), state)
}

// calibrate finds out how instances of the image are reset best. That it makes an instance and
// calls it also shows, at load, what would not work later.
func (p *program) calibrate(ctx context.Context) error {
	in, err := p.fresh(ctx)
	if err == nil {
		defer in.close()
		ended, failed := in.warm(ctx)
		if failed != nil {
			return failed
		}
		err = p.calibrateOn(in, ended)
	}
	if err != nil {
		return LoadErrors{{Code: LoadHost, Message: "no instance: " + err.Error(), Err: err}}
	}
	return nil
}

// calibrateOn finds it out on an instance that has just been called. One that notes its writes needs no other way to be reset, if the notes
// are complete. Those of a call that did not end are not: its instance would be thrown away.
func (p *program) calibrateOn(in *instance, ended bool) error {
	switch {
	case !p.byNotes():
		return p.image.Calibrate(in.memory.Dirty(), p.host.now)
	case !ended:
		return nil
	}
	if err := in.restore(); err != nil {
		return err
	}
	return in.proven()
}

// byNotes says whether instances are reset where their guest and the host have noted that they write. A guest that begins with little memory
// may have much when it has booted.
func (p *program) byNotes() bool {
	return p.code.blockSize > 0 && p.image.Size() <= notedPages*cow.PageSize
}

// reset names how instances are reset.
func (p *program) reset() string {
	if p.byNotes() {
		return "notes"
	}
	return p.image.Way().String()
}

// madeUp is a message that nobody has sent.
const madeUp = `{"params":{"name":"example","arguments":{"text":"an example"}},
"result":{"content":[{"type":"text","text":"an example"}]},"items":[{"name":"example","description":"an example"}]}`

// warm calls each hook once, so that what a guest does on first use is done before the image
// is taken, and not in every call. It returns false if a hook failed: then the guest's state
// is not to be used. Whether one does must not depend on this machine, so a guest has the time
// of booting.
func (in *instance) warm(ctx context.Context) (bool, error) {
	var d jsonscan.Doc
	if err := d.Scan([]byte(madeUp), jsonscan.Options{}); err != nil {
		return false, err
	}
	in.blind = true
	defer func() { in.blind = false }()
	at := in.program.clock
	for _, h := range in.program.manifest.Hooks {
		m := &Message{Method: "tools/call", Server: "example", Tool: "example", Params: d.Root().Get("params"), Principal: &Principal{Kind: "anonymous"}}
		switch h {
		case hostapi.HookResponse:
			m.Result = d.Root().Get("result")
		case hostapi.HookList:
			m.Method, m.Tool, m.Params, m.Items = "tools/list", "", jsonscan.Value{}, d.Root().Get("items")
		case hostapi.HookRequest:
		}
		in.prepare(ctx, h, m, in.now()+in.program.host.options.BootTime)
		in.clock = at
		_, ok := in.decide(h)
		at = in.clock
		in.end()
		if !ok && in.failure.Type == hostapi.FailureDeadline {
			return false, orEnded(ctx, refused(LoadBoot, "look for what it waits for", "the hook %v took longer than %v when it was called for the first time", h, in.program.host.options.BootTime))
		}
		if !ok {
			return false, nil
		}
	}
	return true, nil
}
