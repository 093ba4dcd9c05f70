package fetch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// What a bundle is called in a registry.
const (
	ArtifactType = "application/vnd.sallyport.bundle.v1"
	LayerType    = "application/vnd.sallyport.bundle.archive.v1.tar+gzip"
)

// maxArtifact bounds what says what an artifact is made of.
const maxArtifact = 64 << 10

// artifact is what a registry has under a tag or a digest.
type artifact struct {
	place
	repo    *remote.Repository
	pinned  bool
	patient time.Duration
}

// reference reads oci://REGISTRY/REPOSITORY:TAG, or @DIGEST in the tag's place.
func reference(location string) (registry.Reference, error) {
	text := strings.TrimPrefix(location, ociScheme)
	ref, err := registry.ParseReference(text)
	switch {
	case err != nil:
		return ref, errors.New("it names no artifact of a registry")
	case ref.Reference == "":
		return ref, errors.New("it names neither a tag nor a digest")
	case strings.Contains(text, "@") && !strings.HasPrefix(ref.Reference, "sha256:"):
		return ref, errors.New("a digest is a sha256")
	}
	return ref, nil
}

// errDocker doesn't say what was found: it could be a part of a secret.
var errDocker = errors.New("docker's config can't be read")

func newRegistry(location string, o Options) (*artifact, error) {
	ref, err := reference(location)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", location, err)
	}
	host := ref.Host()
	if i := strings.LastIndex(host, ":"); i >= 0 {
		host = host[:i]
	}
	plain := loopback(strings.Trim(host, "[]")) && o.CAFile == ""
	client, err := newClient(o, plain)
	if err != nil {
		return nil, err
	}
	asker := &auth.Client{Client: client, Header: http.Header{"User-Agent": {"sallyport"}}, Cache: auth.NewCache()}
	if o.DockerConfig != "" {
		asker.Credential = func(ctx context.Context, host string) (auth.Credential, error) { // credentials that end are written anew
			store, err := credentials.NewStore(o.DockerConfig, credentials.StoreOptions{})
			if err != nil {
				return auth.EmptyCredential, errDocker
			}
			return credentials.Credential(store)(ctx, host)
		}
	}
	return &artifact{
		place: place(location), pinned: strings.HasPrefix(ref.Reference, "sha256:"), patient: o.patience(),
		repo: &remote.Repository{
			Client: asker, Reference: ref, PlainHTTP: plain, ManifestMediaTypes: []string{ocispec.MediaTypeImageManifest}, MaxMetadataBytes: maxArtifact,
		},
	}, nil
}

// Fetch implements Source. A tag is the digest of the manifest. A registry doesn't tell of changes, so nothing is waited for.
func (a *artifact) Fetch(ctx context.Context, have string, _ time.Duration) (*Content, error) {
	if a.pinned && have == a.repo.Reference.Reference {
		return nil, nil //nolint:nilnil // it can't have changed
	}
	ctx, cancel := context.WithTimeout(ctx, a.patient)
	defer cancel()
	c, err := a.fetch(ctx, have)
	if err != nil {
		return nil, a.said(err)
	}
	return c, nil
}

func (a *artifact) fetch(ctx context.Context, have string) (*Content, error) {
	is, err := a.repo.Resolve(ctx, a.repo.Reference.Reference)
	if err != nil {
		return nil, err
	}
	if is.Digest.String() == have {
		return nil, nil //nolint:nilnil // nothing new is not an error
	}
	if is.MediaType != ocispec.MediaTypeImageManifest || is.Size > maxArtifact {
		return nil, a.another()
	}
	text, err := a.read(ctx, a.repo.Manifests(), is)
	if err != nil {
		return nil, err
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil || m.ArtifactType != ArtifactType || len(m.Layers) != 1 || m.Layers[0].MediaType != LayerType {
		return nil, a.another()
	}
	layer := m.Layers[0]
	if layer.Size > bundle.MaxArchive {
		return nil, a.tooLarge()
	}
	data, err := a.read(ctx, a.repo.Blobs(), layer)
	if err != nil {
		return nil, err
	}
	return &Content{Tag: is.Digest.String(), Packed: data}, nil
}

func (a *artifact) another() error {
	return a.refuse(notIt, "what is there is no bundle", "push one with `sallyport bundle push`")
}

// fetcher gives what has a digest.
type fetcher interface {
	Fetch(ctx context.Context, is ocispec.Descriptor) (io.ReadCloser, error)
}

// read takes no more memory than there are data, whatever size they are said to have.
func (a *artifact) read(ctx context.Context, from fetcher, is ocispec.Descriptor) ([]byte, error) {
	if is.Digest.Validate() != nil || is.Digest.Algorithm() != digest.SHA256 || is.Size < 0 {
		return nil, a.another()
	}
	body, err := from.Fetch(ctx, is)
	if err != nil {
		return nil, err
	}
	defer body.Close() //nolint:errcheck // it was read, or is of no use
	data, err := io.ReadAll(io.LimitReader(body, is.Size+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), err == nil && int64(len(data)) < is.Size:
		return nil, a.refuse(notIt, "the answer ends too early", "see whether the registry is well")
	case err != nil:
		return nil, err
	case int64(len(data)) > is.Size || digest.FromBytes(data) != is.Digest:
		return nil, a.refuse(notIt, "the registry sends something else than what it says: its digest is another", "push the bundle anew, and ask who has changed it")
	}
	return data, nil
}

// said is what is shown of an error: not what the registry wrote into it.
func (a *artifact) said(err error) error {
	if answer, ok := errors.AsType[*errcode.ErrorResponse](err); ok {
		return a.status(answer.StatusCode)
	}
	switch {
	case errors.Is(err, errdef.ErrNotFound):
		return a.status(http.StatusNotFound)
	case errors.Is(err, errDocker):
		return a.refuse(refused, errDocker.Error(), "mend it, or log in anew with docker or oras")
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return a.status(http.StatusUnauthorized)
	}
	_, known := errors.AsType[source.Diagnostics](err)
	if _, net := errors.AsType[net.Error](err); known || net || errors.Is(err, context.Canceled) {
		return a.failed(err, a.patient)
	}
	return a.refuse(notIt, "the answer is none of a registry: "+clean(err.Error()), "see whether there is a registry")
}

// Push puts an archive into a registry, under the tag that a location names, and gives the location that stands for it alone. title is the
// file that other programs make of it. The same archive under the same title has the same digest.
func Push(ctx context.Context, location string, data []byte, title string, o Options) (string, error) {
	if !strings.HasPrefix(location, ociScheme) {
		return "", fmt.Errorf("%s: a bundle is pushed to a registry: oci://REGISTRY/REPOSITORY:TAG", Shown(location))
	}
	a, err := newRegistry(location, o)
	if err != nil {
		return "", err
	}
	if a.pinned {
		return "", fmt.Errorf("%s: a bundle is pushed under a tag", location)
	}
	ctx, cancel := context.WithTimeout(ctx, a.patient)
	defer cancel()
	is, err := a.push(ctx, data, title)
	if err != nil {
		return "", a.said(err)
	}
	return ociScheme + a.repo.Reference.Registry + "/" + a.repo.Reference.Repository + "@" + is.Digest.String(), nil
}

func (a *artifact) push(ctx context.Context, data []byte, title string) (is ocispec.Descriptor, err error) {
	layer := ocispec.Descriptor{
		MediaType: LayerType, Digest: digest.FromBytes(data), Size: int64(len(data)), Annotations: map[string]string{ocispec.AnnotationTitle: title},
	}
	empty := ocispec.DescriptorEmptyJSON
	empty.Data = nil
	for _, blob := range []struct {
		is   ocispec.Descriptor
		data []byte
	}{{layer, data}, {empty, ocispec.DescriptorEmptyJSON.Data}} {
		there, err := a.repo.Blobs().Exists(ctx, blob.is)
		if err == nil && !there {
			err = a.repo.Blobs().Push(ctx, blob.is, bytes.NewReader(blob.data))
		}
		if err != nil {
			return is, err
		}
	}
	text, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: ArtifactType,
		Config: empty, Layers: []ocispec.Descriptor{layer},
	})
	if err != nil {
		return is, err
	}
	is = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(text), Size: int64(len(text))}
	return is, a.repo.Manifests().PushReference(ctx, is, bytes.NewReader(text), a.repo.Reference.Reference)
}
