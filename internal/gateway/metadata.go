package gateway

import (
	"strings"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// wellKnown is where a client finds which authorization servers a resource takes tokens of (RFC 9728 section 3).
const wellKnown = "/.well-known/oauth-protected-resource"

// metadataURL is the URL of the metadata of the server that x asks for; "" if there is none to show.
func (x *exchange) metadataURL() string {
	if len(x.snap.Issuers) == 0 {
		return ""
	}
	return x.publicURL() + wellKnown + string(x.head.Target)
}

func (x *exchange) publicURL() string {
	if x.snap.PublicURL != "" {
		return strings.TrimSuffix(x.snap.PublicURL, "/")
	}
	scheme := "http://"
	if x.ctx.IsTLS() {
		scheme = "https://"
	}
	return scheme + string(x.head.Host)
}

// serveMetadata answers with the protected resource metadata of the path that follows, or of all of the gateway.
func (x *exchange) serveMetadata(path []byte) *refusal {
	_, server := x.snap.Routes.Match(path)
	_, view := x.snap.Routes.View(path)
	if len(x.snap.Issuers) == 0 || !server && !view && len(path) > 0 {
		return notFound()
	}
	if !x.isGet() {
		return methodNotAllowed("GET")
	}
	body := jsonscan.AppendQuote([]byte(`{"resource":`), x.publicURL()+string(path))
	body = append(body, `,"authorization_servers":[`...)
	for i, issuer := range x.snap.Issuers {
		if i > 0 {
			body = append(body, ',')
		}
		body = jsonscan.AppendQuote(body, issuer)
	}
	body = append(body, `],"bearer_methods_supported":["header"]}`...)
	return &refusal{status: 200, body: body, reason: "metadata", handed: true}
}
