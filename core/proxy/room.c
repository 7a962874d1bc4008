#include "proxy/room.h"

bool room_make(struct clients *clients, struct pools *pools)
{
    return clients_give_up(clients) || pools_close_oldest(pools);
}
