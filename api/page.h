/* page: the dashboard, web/'s built files as they were embedded: the page at /, and what it loads below /assets/ under names
 * that change with their bytes, so that browsers keep them for ever. Without it (configure --without-web) / says so. */
#ifndef MUSTER_API_PAGE_H
#define MUSTER_API_PAGE_H

#include "api/request.h"

void page_get(struct request *request);

#endif
