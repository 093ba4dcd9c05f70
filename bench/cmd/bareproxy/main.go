// Command bareproxy is a fasthttp reverse proxy and nothing else: no policy, no
// parsing, no copies that it could do without. What it costs is what any gateway
// on fasthttp costs before it does anything.
package main

import (
	"flag"
	"log"
	"time"

	"github.com/valyala/fasthttp"
)

const maxBody = 64 << 20

func main() {
	listen := flag.String("listen", "127.0.0.1:9100", "`host:port` to listen on")
	upstream := flag.String("upstream", "127.0.0.1:9000", "`host:port` to forward to")
	flag.Parse()

	client := &fasthttp.HostClient{
		Addr:                      *upstream,
		MaxConns:                  4096,
		MaxIdleConnDuration:       time.Minute,
		MaxIdemponentCallAttempts: 1,
		NoDefaultUserAgentHeader:  true,
		ReadBufferSize:            8 << 10,
	}
	server := &fasthttp.Server{
		Handler:               forward(client),
		MaxRequestBodySize:    maxBody,
		NoDefaultDate:         true,
		NoDefaultServerHeader: true,
		ReadBufferSize:        8 << 10,
	}
	log.Fatal(server.ListenAndServe(*listen))
}

func forward(client *fasthttp.HostClient) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		ctx.Request.Header.Del(fasthttp.HeaderConnection)
		if err := client.Do(&ctx.Request, &ctx.Response); err != nil {
			ctx.Error(err.Error(), fasthttp.StatusBadGateway)
			return
		}
		ctx.Response.Header.Del(fasthttp.HeaderConnection)
	}
}
