package httphead

// whole applies the rules that need the whole head.
func (h *Head) whole(l Limits) Rule {
	if !validHost(h.Host) {
		return RuleHost
	}
	if rule := h.framing(l.Body); rule != 0 {
		return rule
	}
	if h.contentEncoding != nil && string(h.contentEncoding) != "identity" {
		return RuleContentEncoding
	}
	if string(h.Method) == "POST" && !l.AnyType && !isJSON(h.contentType) {
		return RuleContentType
	}
	return 0
}

// framing says how long the body is. Only POST takes one: fasthttp and others
// don't read the body of a GET, and would take it for the next request.
func (h *Head) framing(most int64) Rule {
	if h.transferEncoding != nil {
		if h.contentLength != nil {
			return RuleFraming
		}
		if string(h.transferEncoding) != "chunked" {
			return RuleTransferEncoding
		}
		h.ContentLength = -1
	}
	if h.contentLength != nil {
		n, ok := digits(h.contentLength)
		if !ok {
			return RuleContentLength
		}
		if n > most {
			return RuleBodySize
		}
		h.ContentLength = n
	}
	if h.ContentLength != 0 && string(h.Method) != "POST" {
		return RuleBody
	}
	return 0
}

// digits reads a decimal number of at most 18 digits, which can't overflow.
func digits(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// validHost reports whether b is a host with an optional port. It is narrower
// than RFC 3986: no user information, no percent-encoding, nothing that another
// parser could take for a path.
func validHost(b []byte) bool {
	if len(b) == 0 || len(b) > 255 {
		return false
	}
	i := 0
	if b[0] == '[' {
		for i = 1; i < len(b) && (isHex(b[i]) || b[i] == ':' || b[i] == '.'); i++ {
		}
		if i < 3 || i == len(b) || b[i] != ']' {
			return false
		}
		i++
	} else {
		for i < len(b) && class[b[i]]&hostByte != 0 {
			i++
		}
		if i == 0 {
			return false
		}
	}
	if i == len(b) {
		return true
	}
	port := b[i:]
	if port[0] != ':' || len(port) > 6 {
		return false
	}
	_, ok := digits(port[1:])
	return ok
}
