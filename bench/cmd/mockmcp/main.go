// Command mockmcp is an MCP server that costs as little as an HTTP server can:
// every answer is made beforehand, only the request's id is put into it.
//
// It speaks both eras over Streamable HTTP: initialize, ping, server/discover,
// tools/list (50 tools, or as many as -tools says), tools/call (about 600 bytes); notifications get 202.
// With -stdio it says the same over its standard input and output.
package main

import (
	"bufio"
	"bytes"
	"flag"
	"io"
	"log"
	"os"

	"github.com/valyala/fasthttp"

	"github.com/sallyport-dev/sallyport/bench/internal/workload"
)

const maxBody = 64 << 20

func main() {
	listen := flag.String("listen", "127.0.0.1:9000", "`host:port` to listen on")
	sse := flag.Bool("sse", false, "answer requests with an event stream of one event")
	lines := flag.Bool("stdio", false, "speak over standard input and output, a message a line, instead of HTTP")
	tools := flag.Int("tools", workload.Tools, "how many tools to list, at most as many as that")
	flag.Parse()
	if *lines {
		if err := converse(newAnswers(*tools), os.Stdin, os.Stdout); err != nil {
			log.Fatal(err)
		}
		return
	}

	server := &fasthttp.Server{
		Handler:            handle(newAnswers(*tools), *sse),
		MaxRequestBodySize: maxBody,
		NoDefaultDate:      true,
		ReadBufferSize:     8 << 10,
	}
	log.Fatal(server.ListenAndServe(*listen))
}

// converse answers each line of in with one of out.
func converse(a *answers, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxBody)
	for lines.Scan() {
		answer, _ := a.append(nil, lines.Bytes())
		if len(answer) == 0 {
			continue
		}
		if _, err := out.Write(append(answer, '\n')); err != nil {
			return err
		}
	}
	return lines.Err()
}

func handle(a *answers, sse bool) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		switch {
		case ctx.IsPost():
			post(ctx, a, sse)
		case ctx.IsDelete():
			ctx.SetStatusCode(fasthttp.StatusOK)
		default:
			ctx.Response.Header.Set(fasthttp.HeaderAllow, "POST, DELETE")
			ctx.SetStatusCode(fasthttp.StatusMethodNotAllowed)
		}
	}
}

func post(ctx *fasthttp.RequestCtx, a *answers, sse bool) {
	answer, method := a.append(make([]byte, 0, 1<<10), ctx.PostBody())
	if len(answer) == 0 {
		ctx.SetStatusCode(fasthttp.StatusAccepted)
		return
	}
	if method == "initialize" {
		ctx.Response.Header.Set("Mcp-Session-Id", a.session())
	}
	if !sse {
		ctx.SetContentType("application/json")
		ctx.Response.SetBodyRaw(answer)
		return
	}
	event := append(append([]byte("event: message\ndata: "), answer...), "\n\n"...)
	ctx.SetContentType("text/event-stream")
	ctx.SetBodyStream(bytes.NewReader(event), -1)
}
