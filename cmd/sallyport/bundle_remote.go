package main

import (
	"fmt"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/internal/fetch"
)

type bundlePush struct {
	File     string `arg:"" help:"The archive."`
	Location string `arg:"" help:"Where it goes: oci://REGISTRY/REPOSITORY:TAG."`
	CA       string `name:"ca" placeholder:"FILE" help:"The certificates that the registry's must chain to, PEM. Default: the system's."`
}

func (c bundlePush) Run(p *process) error {
	a, err := readArchive(c.File)
	if err != nil {
		return err
	}
	m := a.Manifest
	title := fmt.Sprintf("%s-%d.tar.gz", m.Name, m.Version)
	pinned, err := fetch.Push(p.ctx, c.Location, a.Data(), title, fetch.Options{CAFile: c.CA, DockerConfig: dockerConfig(p.getenv)})
	if err != nil {
		return orUsage(err)
	}
	fmt.Fprintf(p.stdout, "pushed: %s %d, which is %s\n", m.Name, m.Version, pinned)
	return nil
}

type bundlePull struct {
	URL       string `arg:"" help:"Where it is: https://HOST/PATH, or oci://REGISTRY/REPOSITORY:TAG, or @DIGEST in the tag's place."`
	File      string `short:"o" name:"output" required:"" placeholder:"FILE" help:"The archive to write, FILE.tar.gz."`
	Trust     string `placeholder:"FILE" xor:"trust" required:"" help:"A trust file, or a public key in PEM."`
	Unsigned  bool   `xor:"trust" required:"" help:"Take it without looking who has signed it."`
	Audience  string `placeholder:"NAME" help:"The gateway that it is to be for."`
	TokenFile string `placeholder:"FILE" help:"A file that holds the bearer token for a web server."`
	CA        string `name:"ca" placeholder:"FILE" help:"The certificates that the server's or registry's must chain to, PEM. Default: the system's."`
}

func (c bundlePull) Run(p *process) error {
	if !bundle.IsArchive(c.File) {
		return failf(exitUsage, "%s: an archive ends in .tar.gz or .tgz", c.File)
	}
	if !fetch.Remote(c.URL) {
		return failf(exitUsage, "%s: name a URL: https://HOST/PATH, or oci://REGISTRY/REPOSITORY:TAG", c.URL)
	}
	var trust *bundle.Trust
	if c.Trust != "" {
		var err error
		if trust, err = readTrust(c.Trust); err != nil {
			return err
		}
	}
	from, err := fetch.New(c.URL, fetch.Options{TokenFile: c.TokenFile, CAFile: c.CA, DockerConfig: dockerConfig(p.getenv)})
	if err != nil {
		return failf(exitUsage, "%w", err)
	}
	content, err := from.Fetch(p.ctx, "", 0)
	if err != nil {
		return orUsage(err)
	}
	v, _ := buildVersion()
	a, by, err := admit(fetch.Shown(c.URL), content.Packed, trust, bundle.Terms{Now: p.now(), Sallyport: v, Audience: c.Audience})
	if err != nil {
		return err
	}
	if err := bundle.WriteFile(c.File, a.Data(), 0o644); err != nil {
		return err
	}
	who := "signed by " + strings.Join(namesOf(by), ", ")
	if trust == nil {
		who = "signatures not verified"
	}
	fmt.Fprintf(p.stdout, "pulled: %s %d, %s, %s\n", a.Manifest.Name, a.Manifest.Version, a.Revision, who)
	return nil
}
