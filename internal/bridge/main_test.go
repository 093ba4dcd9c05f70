package bridge

import (
	"testing"

	"go.uber.org/goleak"
)

// fasthttp's server, of which some tests start one, leaves its clock and the cleaner of its workers behind.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}
