// Package peers measures what others run plugins with beside engine/wasm. It is a module of its own: the gateway needs none of them.
package peers
