/* top_keys: what the keys of `muster top` do. */
#ifndef MUSTER_CLI_TOP_KEYS_H
#define MUSTER_CLI_TOP_KEYS_H

#include "cli/top_screen.h"

/* key: as getch gives it; ERR and KEY_RESIZE are none. */
void top_keys_take(struct top_screen *screen, int key);

#endif
