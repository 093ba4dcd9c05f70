package admin

import (
	"encoding/json"
	"io"
	"net/http"
)

// Notice is what somebody says of a source: that there is something new.
type Notice struct {
	Said   bool // it says what is new: Pushed; else it can be anything
	Pushed []Pushed
}

// Pushed is something new in a registry.
type Pushed struct{ Repository, Tag string } // Tag is "" of what was pushed under its digest only

// notice is the last part of the path of notices.
const notice = "notify"

// maxNotice bounds what is read of a notice. A registry sends at most some hundred events at once.
const maxNotice = 1 << 20

// notified answers a notice. Whoever holds a token may have the source asked; nothing else comes of it, so it is no change.
func (c change) notified(w http.ResponseWriter, r *http.Request) (status int, err error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxNotice))
	if err != nil {
		return http.StatusBadRequest, errBadBody
	}
	answer(w, http.StatusAccepted, map[string]bool{"asked": c.Notified(readNotice(body))})
	return 0, nil
}

// readNotice reads the notice of a registry: the events of the CNCF's Distribution, which others send, too. Only what was pushed counts:
// registries tell of each pull as well, and the gateway's own would have it ask again and again. Of another text nothing is known.
func readNotice(body []byte) (n Notice) {
	var envelope struct {
		Events []struct {
			Action string
			Target struct{ Repository, Tag string }
		}
	}
	if err := json.Unmarshal(body, &envelope); err != nil || envelope.Events == nil {
		return n
	}
	n.Said = true
	for _, e := range envelope.Events {
		if e.Action == "push" && e.Target.Repository != "" {
			n.Pushed = append(n.Pushed, Pushed(e.Target))
		}
	}
	return n
}
