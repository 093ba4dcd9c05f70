package condition

import "strings"

// pureFunctions are the functions whose result follows from their arguments and nothing else: no clock, no chance, no state, no network.
// A condition that calls any other is impure, and what it says is not remembered. So a function that is added to the environment is
// impure until it stands here; TestPureFunctions_areAllThereAre fails until somebody has decided.
var pureFunctions = func() map[string]struct{} {
	all := make(map[string]struct{})
	for _, list := range []string{
		// operators, and what macros make
		`!_ -_ @in @not_strictly_false @sortByAssociatedKeys _!=_ _%_ _&&_ _*_ _+_ _-_ _/_ _<=_ _<_ _==_ _>=_ _>_ _?._ _?_:_
		_[?_] _[_] __not_strictly_false__ _in_ _||_ cel.@mapInsert math.@max math.@min`,
		// conversions
		`bool bytes double duration dyn int string timestamp type uint`,
		// time, of a timestamp or a duration that is given; the time zones are those of the process
		`getDate getDayOfMonth getDayOfWeek getDayOfYear getFullYear getHours getMilliseconds getMinutes getMonth getSeconds`,
		// addresses and URLs, by their texts alone: no name is looked up
		`cidr containsCIDR containsIP family getEscapedPath getHost getHostname getPort getQuery getScheme host.isPublic ip
		ip.isCanonical isCIDR isGlobalUnicast isIP isLinkLocalMulticast isLinkLocalUnicast isLoopback isMask isPrivate
		isPublic isURL isUnspecified masked prefixLength url`,
		// optional values
		`hasValue optional.none optional.of optional.ofNonZeroValue optional.unwrap or orValue unwrapOpt value`,
		// numbers and sets
		`hasAll hasAny hasExactly hasOnly math.abs math.bitAnd math.bitNot math.bitOr math.bitShiftLeft math.bitShiftRight
		math.bitXor math.ceil math.floor math.isFinite math.isInf math.isNaN math.round math.sign math.sqrt math.trunc
		sets.contains sets.equivalent sets.intersects`,
		// texts, lists, paths and JSON
		`base64.decode base64.decodeUrl base64.encode base64.encodeUrl charAt contains distinct endsWith first flatten format
		glob in indexOf join json.encode json.parse last lastIndexOf lists.range lowerAscii matches path.base path.clean
		path.dir path.ext path.join path.match path.within regex.extract regex.extractAll regex.replace replace reverse size
		slice sort split startsWith strings.quote substring trim upperAscii`,
	} {
		for f := range strings.FieldsSeq(list) {
			all[f] = struct{}{}
		}
	}
	return all
}()
