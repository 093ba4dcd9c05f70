// Plugins for Sallyport gateways in AssemblyScript. README.md says how one is made; ABI.md of
// hostapi is what stands behind it.
import "./guest";

export { Call, Item, ListCall, Match, MessageString, Settings, Value, View } from "./call";
export { Json, quote } from "./json";
export { Capability, capability, Feature, Field, field, Kind, Level, Verdict } from "./names";
export { granted, has, log, note } from "./said";
