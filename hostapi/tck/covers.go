package tck

import (
	"strings"

	"github.com/sallyport-dev/sallyport/hostapi"
)

// Covers lists what of the ABI's tables a vector asks about, such as "function field". Of
// vectors for the kit's guest it is the answer alone: what that calls is not told.
func (v *Vector) Covers() []string {
	hook := v.Hook
	if hook == "" {
		hook = hostapi.HookRequest.String()
	}
	out := []string{"hook " + hook}
	if v.Expect.Load == nil {
		verdict, _ := v.Expect.answer()
		out = append(out, "verdict "+verdict)
	}
	for f := range strings.SplitSeq(v.Expect.Failure, "|") {
		out = append(out, "failure "+f)
	}
	if v.Module == nil {
		return out
	}
	for name, steps := range v.Module.Exports {
		out = append(out, "export "+name)
		for _, s := range steps {
			out = append(out, "function "+s.Call)
		}
	}
	for _, f := range hostapi.Functions() {
		for _, steps := range v.Module.Exports {
			for _, s := range steps {
				if s.Call == f.Name && f.Feature != 0 {
					out = append(out, "feature "+f.Feature.String())
				}
			}
		}
	}
	return out
}
