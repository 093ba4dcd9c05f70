package condition

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// The functions on paths are lexical: they don't know what is a link on the server. What they
// refuse is a path whose meaning depends on who reads it: a server that decodes percent
// escapes, takes backslashes for slashes, ends at a NUL, drops invisible characters, or folds
// full-width ones into ASCII. Then neither answer would be right, and the error denies.

// maxPath bounds the paths that are looked at; Linux has 4,096.
const maxPath = 8192

// plainPath returns an error if a path can be read in two ways.
func plainPath(p string) error {
	switch {
	case p == "":
		return errors.New("the path is empty")
	case len(p) > maxPath:
		return errors.New("the path is too long")
	case strings.HasPrefix(p, "//"):
		return ambiguous("two leading slashes")
	case p[0] == '~':
		return ambiguous("a leading ~")
	case len(p) > 1 && p[1] == ':' && isLetter(p[0]):
		return ambiguous("a drive letter")
	case strings.Contains(p, "://"):
		return ambiguous("a URL, not a path")
	}
	if err := plainCharacters(p); err != nil {
		return err
	}
	for rest := p; rest != ""; {
		var element string
		element, rest, _ = strings.Cut(rest, "/")
		if err := plainElement(element); err != nil {
			return err
		}
	}
	return nil
}

func plainCharacters(p string) error {
	for i, r := range p {
		switch {
		case r == '\\':
			return ambiguous("a backslash")
		case r == '%' && escapes(p[i+1:]):
			return ambiguous("a percent escape")
		case r < ' ' || r == 0x7f:
			return ambiguous("a control character")
		case r < utf8.RuneSelf:
		case r == utf8.RuneError:
			return ambiguous("invalid UTF-8")
		case lookalike(r):
			return ambiguous(fmt.Sprintf("%U, which may be taken for a dot, a slash or a percent sign", r))
		case unicode.In(r, unicode.Cf, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Variation_Selector):
			return ambiguous("an invisible character")
		}
	}
	return nil
}

// plainElement refuses what Windows and its like trim to . or ..
func plainElement(e string) error {
	if e == "" || e == "." || e == ".." {
		return nil
	}
	if strings.Trim(e, ". ") == "" {
		return ambiguous("an element of dots and spaces")
	}
	return nil
}

func ambiguous(what string) error { return fmt.Errorf("the path is ambiguous: it has %s", what) }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// escapes says that what follows a percent sign makes an escape: two hexadecimal digits, or
// the u of %u002e.
func escapes(s string) bool {
	return len(s) >= 2 && isHex(s[0]) && isHex(s[1]) || len(s) >= 1 && s[0]|0x20 == 'u'
}

// lookalike says that a character has a dot, slash, backslash or percent sign in its Unicode
// compatibility decomposition, or stands for a dot in host names, or looks like a slash.
func lookalike(r rune) bool {
	switch r {
	case 0x2024, 0x2025, 0x2026, 0x3002, 0xff61, 0xfe52, 0xff0e, // dots
		0x2044, 0x2215, 0x29f8, 0xff0f, // slashes
		0xfe68, 0xff3c, 0x2216, 0x29f5, 0x29f9, // backslashes
		0xfe6a, 0xff05, // percent signs
		0x2100, 0x2101, 0x2105, 0x2106, // a/c, a/s, c/o, c/u
		0xfe19: // vertical ellipsis
		return true
	}
	return 0x2488 <= r && r <= 0x249b || // 1. to 20.
		r == 0x1f100 // 0.
}

// cleanPath is path.clean.
func cleanPath(p string) (string, error) {
	if err := plainPath(p); err != nil {
		return "", err
	}
	return path.Clean(p), nil
}

// isWithin is path.within.
func isWithin(p, root string) (bool, error) {
	r, err := cleanPath(root)
	if err != nil {
		return false, fmt.Errorf("root of path.within: %w", err)
	}
	c, err := cleanPath(p)
	if err != nil {
		return false, err
	}
	if path.IsAbs(c) != path.IsAbs(r) {
		return false, nil
	}
	switch {
	case r == "/" || c == r:
		return true, nil
	case climbs(r) || climbs(c):
		return false, nil // .. is outside of everything but itself
	case r == ".":
		return true, nil
	}
	rest, ok := strings.CutPrefix(c, r)
	return ok && rest[0] == '/', nil
}

func climbs(clean string) bool { return clean == ".." || strings.HasPrefix(clean, "../") }

func pathWithin(args ...ref.Val) ref.Val {
	return boolOrError(isWithin(textOf(args[0]), textOf(args[1])))
}

func pathBase(p string) (string, error) {
	c, err := cleanPath(p)
	return path.Base(c), err
}

func pathDir(p string) (string, error) {
	c, err := cleanPath(p)
	return path.Dir(c), err
}

func pathExt(p string) (string, error) {
	c, err := cleanPath(p)
	return path.Ext(c), err
}

// joinPath joins a relative path to another: an absolute one would be appended by some
// libraries and replace the first in others.
func joinPath(a, b string) (string, error) {
	if err := plainPath(a); err != nil {
		return "", err
	}
	if err := plainPath(b); err != nil {
		return "", err
	}
	if path.IsAbs(b) {
		return "", errors.New("path.join: the second path is absolute")
	}
	return path.Join(a, b), nil
}

func pathMatch(args ...ref.Val) ref.Val {
	c, err := cleanPath(textOf(args[0]))
	if err != nil {
		return types.WrapErr(err)
	}
	return types.Bool(matchPath(textOf(args[1]), c))
}

func globMatch(args ...ref.Val) ref.Val {
	return types.Bool(Glob(textOf(args[1]), textOf(args[0])))
}
