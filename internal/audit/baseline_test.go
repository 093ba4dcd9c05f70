//go:build unix

package audit

import (
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// The parts that Append can't do without, to hold its figures against.
func BenchmarkBaseline(b *testing.B) {
	r := sample()
	r.encode(Masker{})
	line := append(make([]byte, maxChain), r.line...)
	b.Run("write", func(b *testing.B) {
		f, err := os.OpenFile(filepath.Join(b.TempDir(), "a"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		defer cpu(b)()
		for b.Loop() {
			if _, err := f.Write(line); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("sha256", func(b *testing.B) {
		defer cpu(b)()
		for b.Loop() {
			sha256.Sum256(line)
		}
	})
	// The same fields by zerolog, which neither masks nor bounds nor escapes what hides.
	b.Run("zerolog", func(b *testing.B) {
		log := zerolog.New(io.Discard)
		b.ReportAllocs()
		defer cpu(b)()
		for b.Loop() {
			log.Log().Time("time", r.Time).Str("kind", "decision").Bytes("decision_id", r.DecisionID[:]).Str("revision", r.Revision).
				Dict("principal", zerolog.Dict().Str("kind", r.PrincipalKind).Str("id", r.PrincipalID).Str("issuer", r.Issuer)).
				Str("source.address", r.SourceAddress).Str("mcp.method.name", r.Method).Str("mcp.protocol.version", r.ProtocolVersion).
				RawJSON("jsonrpc.request.id", r.RequestID).Str("server", r.Server).Str("gen_ai.tool.name", r.Tool).Str("phase", r.Phase).
				Str("effect", r.Effect).Str("policy", r.Policy).Str("rule", r.Rule).
				Dict("inputs", zerolog.Dict().RawJSON(r.Inputs[0].Name, r.Inputs[0].JSON)).
				Float64("decide_us", float64(r.Decide)/float64(time.Microsecond)).Send()
		}
	})
}
