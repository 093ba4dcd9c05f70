/* The functions of the host, as the language sees them. */
#ifndef BRIDGE_H
#define BRIDGE_H

#include "base.h"

/* js_bridge makes the object that has them: sallyport.d.ts of sdk/js calls it Abi. */
JSValue js_bridge(void);

#endif
