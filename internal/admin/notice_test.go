package admin

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Of what registries tell, pushes count; of what nobody understands, nothing is known.
func TestNotice(t *testing.T) {
	const path = "/admin/v1/bundles/notify"
	for name, c := range map[string]struct {
		body  string
		want  Notice
		asked bool
	}{
		"nothing":     {"", Notice{}, true},
		"a text":      {"tag=production", Notice{}, true},
		"another's":   {`{"type":"PUSH_ARTIFACT"}`, Notice{}, true},
		"no events":   {`{"events":[]}`, Notice{Said: true}, false},
		"a pull":      {`{"events":[{"action":"pull","target":{"repository":"a/b","tag":"t"}}]}`, Notice{Said: true}, false},
		"of nothing":  {`{"events":[{"action":"push"}]}`, Notice{Said: true}, false},
		"two pushes":  {`{"events":[{"id":"1","action":"push","target":{"repository":"a/b","tag":"t","size":7}},{"action":"push","target":{"repository":"c"}}]}`, Notice{true, []Pushed{{"a/b", "t"}, {Repository: "c"}}}, true},
		"a wrong one": {`{"events":[{"action":7}]}`, Notice{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			h, got := changing(nil, alice)
			w := post(h, path, c.body, bearer("alices"))
			if w.Code != http.StatusAccepted || strings.Contains(w.Body.String(), `"asked": true`) != c.asked {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if diff := cmp.Diff([]Notice{c.want}, got.noticed); diff != "" || len(got.done)+len(got.refused) > 0 {
				t.Errorf("%+v (-want +got)\n%s", got, diff)
			}
		})
	}
	for name, c := range map[string]struct {
		body   string
		header http.Header
		status int
	}{
		"no token":    {"", http.Header{}, 401},
		"a wrong one": {"", bearer("bobs"), 401},
		"too long":    {strings.Repeat(" ", maxNotice+1), bearer("alices"), 400},
	} {
		h, got := changing(nil, alice)
		if w := post(h, path, c.body, c.header); w.Code != c.status || len(got.noticed) > 0 || len(got.refused) != 1 || !strings.HasPrefix(got.refused[0], "notify by ") {
			t.Errorf("%s: %d %+v", name, w.Code, got)
		}
	}
}

// Where nothing can be told there is no such path.
func TestNoticeToNobody(t *testing.T) {
	var refused string
	h := Handler(Options{Bundles: func() []Bundle { return nil }, Changes: &Changes{
		Tokens: func() []Token { return []Token{alice} }, Refused: func(_ Change, why string) { refused = why },
	}})
	if w := post(h, "/admin/v1/bundles/notify", "", bearer("alices")); w.Code != http.StatusNotFound || refused != errNoAction.Error() {
		t.Errorf("%d %s", w.Code, refused)
	}
}
