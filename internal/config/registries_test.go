package config

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func parseRegistries(t *testing.T) []Registry {
	t.Helper()
	data, err := os.ReadFile("testdata/valid/registries.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, ds := Parse("/etc/sallyport/sallyport.yaml", data, func(string) (string, bool) { return "0123abcd", true })
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	return c.Discovery.Registries
}

func TestRegistries(t *testing.T) {
	minute := Duration(10 * time.Minute)
	want := []Registry{
		{
			From: "https://registry.example.com/v0.1/servers", Names: []string{"com.example/*", "*/weather"}, Poll: Duration(time.Hour),
			TokenFile: "/etc/sallyport/registry.token", CA: "/etc/sallyport/registry.pem",
			Servers: map[string]Listed{
				"com.example/notes": {
					As: "notes", Version: "1.2.0", Host: "acme.notes.example.com", Headers: map[string]string{"Authorization": "Bearer 0123abcd"},
					Variables: map[string]string{"tenant": "acme"}, TLS: &ServerTLS{CA: "/etc/sallyport/notes.pem"}, Timeout: Duration(10 * time.Second), Era: "auto",
				},
				"com.example/mail": {},
			},
		},
		{From: "http://127.0.0.1:8081/v0.1/servers", Names: []string{"org.example/*"}, Token: "0123abcd", Poll: minute},
		{From: "/etc/sallyport/registry", Names: []string{"net.example/*"}, Poll: minute},
	}
	if diff := cmp.Diff(want, parseRegistries(t)); diff != "" {
		t.Errorf("registries (-want +got):\n%s", diff)
	}
}

// What is asked of a registry brings what is taken of it, and says little else.
func TestWantsOfRegistries(t *testing.T) {
	r := &parseRegistries(t)[0]
	r.Servers["org.other/a"] = Listed{}
	var got []string
	for _, w := range r.Wants() {
		for _, name := range []string{"com.example/notes", "com.example/mail", "com.example/x", "org.other/a", "org.other/weather", "org.other/b"} {
			if w.Takes(name) {
				got = append(got, w.Search+"@"+w.Version+": "+name)
			}
		}
	}
	want := []string{
		"com.example/notes@1.2.0: com.example/notes", "org.other/a@: org.other/a",
		"com.example/@: com.example/notes", "com.example/@: com.example/mail", "com.example/@: com.example/x", "/weather@: org.other/weather",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("wants (-want +got):\n%s", diff)
	}
	takes := r.Takes()
	for name, is := range map[string]bool{"com.example/x": true, "org.other/a": true, "org.other/weather": true, "org.other/b": false, "xcom.example/x": false} {
		if takes(name) != is {
			t.Errorf("taken %s: %v", name, !is)
		}
	}
}

// Nothing that others have written is expanded, or more than the config would take.
func TestRemoteServers(t *testing.T) {
	c := Default()
	s, ds := c.Remote(top("x"), "a", "https://a.example/${TOKEN}", map[string]string{"X-A": "${TOKEN}"}, Listed{TLS: &ServerTLS{CA: "/ca.pem"}, Era: "auto"})
	if ds.HasErrors() || s.URL != "https://a.example/${TOKEN}" || s.Headers["X-A"] != "${TOKEN}" || s.TLS.CA != "/ca.pem" || s.Era != "auto" || s.Timeout != c.Limits.CallTimeout {
		t.Errorf("%+v: %v", s, ds)
	}
	for url, want := range map[string]string{"ftp://a.example": "SP1103", "": "SP1011", "https://a.example#x": "SP1103"} {
		if _, ds := c.Remote(top("x"), "a", url, nil, Listed{}); !has(ds, want) || ds[0].File != "x" || ds[0].Line != 1 {
			t.Errorf("%q: %v", url, ds)
		}
	}
	if _, ds := c.Remote(top("x"), "a", "http://127.0.0.1/", nil, Listed{TLS: &ServerTLS{CA: "/ca.pem"}}); !has(ds, "SP1112") {
		t.Errorf("TLS without TLS: %v", ds)
	}
}
