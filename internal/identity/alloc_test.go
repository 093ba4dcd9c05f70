//go:build !race

package identity

import "testing"

func TestResolveDoesNotAllocate(t *testing.T) {
	jwt, key := fileResolver(t), mustNew(t, keyOptions(true))
	token, presented := []byte("Bearer "+goodToken()), []byte("key-of-ci")
	for name, resolve := range map[string]func() error{
		"anonymous": func() error { _, err := key.Resolve(nil, nil); return err },
		"api key":   func() error { _, err := key.Resolve(nil, presented); return err },
		"token":     func() error { _, err := jwt.Resolve(token, nil); return err },
	} {
		if err := resolve(); err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(1000, func() { _ = resolve() }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
