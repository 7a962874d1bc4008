#include "lua/embedded.h"

EMBEDDED(prelude, "core/lua/prelude.lua")
EMBEDDED(modules, "core/lua/modules.lua")
EMBEDDED(codes, "core/lua/codes.lua")
EMBEDDED(await, "core/lua/await.lua")
EMBEDDED(clients, "core/lua/clients.lua")
EMBEDDED(json, "core/lua/json.lua")
EMBEDDED(texts, "core/lua/texts.lua")
EMBEDDED(shared, "core/lua/shared.lua")
EMBEDDED(policies, "core/lua/policies.lua")
EMBEDDED(strings, "core/lua/strings.lua")
EMBEDDED(balancer, "balancer.lua")
EMBEDDED(hello, "scripts/hello.lua")
