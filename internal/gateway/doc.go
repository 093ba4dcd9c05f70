// Package gateway is the path of a call from listener to audit, on one snapshot: the policy enforcement point.
package gateway
