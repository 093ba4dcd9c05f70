package sallyport

import (
	"unsafe"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/host"
)

// registered is the plugin of this module: exports are functions, and have nowhere else to
// look for it.
var registered *guest

// Register makes a plugin the one of this module. Call it once, in an init function.
func Register(p Plugin) {
	h := &host.Host{}
	if registered != nil {
		h.Fail("sallyport: Register was called twice")
	}
	g, err := begin(p, h)
	if err != nil {
		h.Fail(err.Error())
	}
	registered = g
}

// ready returns the plugin, or fails.
func ready() *guest {
	if registered == nil {
		(&host.Host{}).Fail("sallyport: no plugin: call Register in an init function")
	}
	return registered
}

//go:wasmexport sp_on_request
func onRequest() int32 { return ready().judge(abi.HookRequest) }

//go:wasmexport sp_on_response
func onResponse() int32 { return ready().judge(abi.HookResponse) }

//go:wasmexport sp_on_list
func onList() int32 { return ready().judge(abi.HookList) }

//go:wasmexport sp_alloc
func alloc(n uint32) unsafe.Pointer {
	g := ready()
	g.settings = make([]byte, n, max(n, 1))
	return unsafe.Pointer(unsafe.SliceData(g.settings))
}

// The address of the settings is the one that alloc gave.

//go:wasmexport sp_validate_settings
func validateSettings(_, _ uint32) int32 { return ready().validate() }

//go:wasmexport sp_configure
func configure(_, _ uint32) int32 { return ready().configure() }

//go:wasmexport sp_selftest
func selfTest() int32 { return ready().selfTest() }
