/* options: writes the settings of muster.yaml as a manual page's list (mdoc), from the tables that musterd checks them by. */
#include "core/config_internal.h"
#include "core/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* As text of a page: neither an escape nor, at the start of a line, a request. */
static void print_text(const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", stdout);
	for (const char *start = text; *text != '\0'; text++) {
		if (*text == '\\')
			fputs("\\e", stdout);
		else if (*text == ' ' && text > start && text[-1] == '.') /* a sentence begins its line */
			putchar('\n');
		else
			putchar(*text);
	}
}

static const char *type_word(enum schema_type type)
{
	static const char *const words[] = {
		[SCHEMA_BOOLEAN] = "true or false",
		[SCHEMA_INTEGER] = "integer",
		[SCHEMA_REAL] = "number",
		[SCHEMA_DURATION] = "duration",
		[SCHEMA_SIZE] = "size",
		[SCHEMA_STRING] = "string",
		[SCHEMA_ENUM] = NULL,
		[SCHEMA_STRINGS] = "list of strings",
		[SCHEMA_OBJECT] = "mapping",
		[SCHEMA_OBJECTS] = "list of mappings",
		[SCHEMA_VALUE] = NULL,
	};
	return words[type];
}

static void print_bound(enum schema_type type, double bound)
{
	char text[UNITS_TEXT_SIZE];
	if (type == SCHEMA_DURATION) {
		units_format_duration(text, (int64_t)bound);
		fputs(text, stdout);
	} else if (type == SCHEMA_SIZE) {
		units_format_size(text, (int64_t)bound);
		fputs(text, stdout);
	} else {
		printf("%.10g", bound);
	}
}

static void print_facts(const struct schema_member *member)
{
	const char *separator = "";
	putchar('(');
	const char *word = member->words != NULL ? "one of" : type_word(member->type);
	if (word != NULL) {
		fputs(word, stdout);
		separator = "; ";
	}
	for (size_t i = 0; member->words != NULL && member->words[i] != NULL; i++)
		printf("%s%s", i == 0 ? " " : ", ", member->words[i]);
	bool counted = member->type == SCHEMA_INTEGER || member->type == SCHEMA_REAL ||
		       member->type == SCHEMA_DURATION || member->type == SCHEMA_SIZE;
	if (counted && member->minimum < member->maximum) {
		fputs(", ", stdout);
		print_bound(member->type, member->minimum);
		fputs(" to ", stdout);
		print_bound(member->type, member->maximum);
	}
	if (member->required) {
		printf("%srequired", separator);
	} else if (member->type != SCHEMA_OBJECT && member->type != SCHEMA_OBJECTS) {
		printf("%sdefault ", separator);
		print_text(member->fallback == NULL ? "null" : member->fallback);
	}
	puts(")");
}

/* A mapping whose members are all yet to come is none for the reader. */
static bool has_members(const struct schema *schema)
{
	for (const struct schema_member *member = schema->members; member->name != NULL; member++)
		if (!member->later)
			return true;
	return false;
}

static void print_members(const struct schema *schema)
{
	puts(".Bl -tag -width Ds");
	for (const struct schema_member *member = schema->members; member->name != NULL; member++) {
		if (member->later || (member->nested != NULL && !has_members(member->nested)))
			continue;
		printf(".It Cm %s\n", member->name);
		if (member->help != NULL) {
			print_text(member->help);
			puts(strchr(".:", member->help[strlen(member->help) - 1]) == NULL ? "." : "");
		}
		print_facts(member);
		if (member->nested != NULL)
			print_members(member->nested);
	}
	puts(".El");
}

int main(void)
{
	print_members(&config_schema);
	return ferror(stdout) || fflush(stdout) != 0;
}
