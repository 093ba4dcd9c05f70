package bundle

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// The trust file that the page of a mistake in one shows has none.
func TestPageShowsATrustFile(t *testing.T) {
	page, _ := source.Page("SP8022")
	_, text, _ := strings.Cut(page, "```yaml\n")
	text, _, ok := strings.Cut(text, "```")
	if _, ds := ParseTrust("t", []byte(text)); !ok || len(ds) > 0 {
		t.Error(ds)
	}
}
