#include "script/tls_options.h"

enum { NAME, CA, CERT, KEY, VERIFY };

bool tls_options_read(lua_State *lua, int first, struct secured_wish *wish)
{
    bool is_given = !lua_isnoneornil(lua, first + VERIFY);

    *wish = (struct secured_wish){.name = {"", 0}, .verify = true, .is_http = true};
    if (!is_given)
        return false;
    if (lua_type(lua, first + NAME) == LUA_TSTRING)
        wish->name.start = lua_tolstring(lua, first + NAME, &wish->name.length);
    wish->ca = lua_tostring(lua, first + CA);
    wish->cert = lua_tostring(lua, first + CERT);
    wish->key = lua_tostring(lua, first + KEY);
    wish->verify = lua_toboolean(lua, first + VERIFY);
    return true;
}

const char tls_options_wrong_name[] = "name is neither a host name nor an IP address";

bool tls_options_name_is_right(const struct secured_wish *wish)
{
    return wish->name.length == 0 || tls_remote_is_name(wish->name);
}
