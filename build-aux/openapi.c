/* openapi: writes the API's description, as GET /openapi.json answers it. */
#include "api/openapi.h"

#include <stdio.h>

int main(void)
{
	json_t *description = openapi_describe();
	int status = description ? json_dumpf(description, stdout, JSON_INDENT(1)) : -1;

	json_decref(description);
	if (status == 0 && putchar('\n') != EOF && fflush(stdout) == 0)
		return 0;
	perror("openapi");
	return 1;
}
