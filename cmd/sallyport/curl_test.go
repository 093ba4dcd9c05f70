package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// curl is as much of curl as the documents use, so that they can show the real one and tests need none.
func curl(args []string, stdout, stderr io.Writer) int {
	var c curlCall
	if err := c.parse(args); err != nil {
		fmt.Fprintln(stderr, "curl:", err)
		return 2
	}
	if err := c.do(stdout); err != nil {
		fmt.Fprintln(stderr, "curl:", err)
		return 7
	}
	return 0
}

type curlCall struct {
	url, method, body, output, write, ca string
	include                              bool
	header                               http.Header
}

func (c *curlCall) parse(args []string) error {
	c.header = http.Header{}
	for len(args) > 0 {
		flag := args[0]
		args = args[1:]
		if flag == "-i" || flag == "-si" {
			c.include = true
			continue
		}
		if slices.Contains([]string{"-s", "-N", "-sN"}, flag) {
			continue
		}
		if !strings.HasPrefix(flag, "-") {
			c.url = flag
			continue
		}
		if len(args) == 0 {
			return fmt.Errorf("option %s: requires parameter", flag)
		}
		if err := c.option(flag, args[0]); err != nil {
			return err
		}
		args = args[1:]
	}
	if c.url == "" {
		return errors.New("no URL specified")
	}
	return nil
}

func (c *curlCall) option(flag, value string) error {
	switch flag {
	case "-X":
		c.method = value
	case "-H":
		name, text, ok := strings.Cut(value, ":")
		if !ok {
			return fmt.Errorf("%q is no header", value)
		}
		c.header.Set(name, strings.TrimSpace(text))
	case "--json", "-d":
		kind := "application/x-www-form-urlencoded"
		if flag == "--json" {
			kind = "application/json"
			setDefault(c.header, "Accept", kind)
		}
		setDefault(c.header, "Content-Type", kind)
		c.body = value
		if name, ok := strings.CutPrefix(value, "@"); ok {
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			c.body = string(data)
		}
	case "-o":
		c.output = value
	case "-w":
		c.write = value
	case "--cacert":
		c.ca = value
	default:
		return fmt.Errorf("option %s: is unknown", flag)
	}
	return nil
}

func setDefault(h http.Header, name, value string) {
	if h.Get(name) == "" {
		h.Set(name, value)
	}
}

func (c *curlCall) do(stdout io.Writer) error {
	if c.method == "" {
		c.method = http.MethodGet
		if c.body != "" {
			c.method = http.MethodPost
		}
	}
	r, err := http.NewRequest(c.method, c.url, strings.NewReader(c.body))
	if err != nil {
		return err
	}
	r.Header = c.header
	if host := c.header.Get("Host"); host != "" {
		r.Host = host
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return c.print(stdout, resp, body)
}

func (c *curlCall) client() (*http.Client, error) {
	client := &http.Client{Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if c.ca == "" {
		return client, nil
	}
	pem, err := os.ReadFile(c.ca)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificates", c.ca)
	}
	client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	return client, nil
}

func (c *curlCall) print(stdout io.Writer, resp *http.Response, body []byte) error {
	var head bytes.Buffer
	if c.include {
		fmt.Fprintf(&head, "%s %s\r\n", resp.Proto, resp.Status)
		if err := resp.Header.Write(&head); err != nil { // in the order of their names
			return err
		}
		head.WriteString("\r\n")
	}
	if c.output != "" {
		if err := os.WriteFile(c.output, body, 0o600); err != nil && c.output != os.DevNull {
			return err
		}
		body = nil
	}
	tail := strings.NewReplacer(`%{http_code}`, fmt.Sprint(resp.StatusCode), `\n`, "\n").Replace(c.write)
	_, err := stdout.Write(slices.Concat(head.Bytes(), body, []byte(tail)))
	return err
}
