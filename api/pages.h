/* pages: gives back memory that holds nothing but zeros. The kernel puts zeros there again when it is next looked at: nobody can
 * tell the difference, whoever it belongs to. */
#ifndef MUSTER_API_PAGES_H
#define MUSTER_API_PAGES_H

#include <stddef.h>

/* Of the pages of `length` bytes from the page on in which `at` lies: private memory, whether mapped or not. */
void pages_give_back(const void *at, size_t length);

#endif
