/* page: the small page at / that shows the node to people: three files from web/, embedded. */
#ifndef MUSTER_API_PAGE_H
#define MUSTER_API_PAGE_H

#include "api/request.h"

void page_index(struct request *request);
void page_style(struct request *request);
void page_script(struct request *request);

#endif
