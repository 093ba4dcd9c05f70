package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// ErrNoKey says that an issuer has keys, and none of them for an algorithm that its tokens may be signed with: every token would be refused.
var ErrNoKey = errors.New("no key is for an allowed algorithm")

// Examine loads the keys of an issuer as a Resolver does, those behind a URL at once, and says how many can verify a token. None is
// ErrNoKey. Of o only Fetch, Log and Now count.
func Examine(ctx context.Context, c Issuer, o Options) (keys int, err error) {
	var none sync.WaitGroup // nothing is fetched in the background
	i, err := newIssuer(ctx, c, o.filled(), &none)
	if err != nil {
		return 0, err
	}
	found := i.keys.keys
	if i.keys.url != "" {
		if found, err = i.keys.load(); err != nil { //nolint:contextcheck // the key set was made with it
			return 0, err
		}
	}
	for k := range found {
		if slices.ContainsFunc(i.algorithms, found[k].fits) {
			keys++
		}
	}
	if keys == 0 {
		var names []string
		for _, a := range i.algorithms {
			names = append(names, string(a))
		}
		return 0, fmt.Errorf("%w: %s", ErrNoKey, strings.Join(names, ", "))
	}
	return keys, nil
}
