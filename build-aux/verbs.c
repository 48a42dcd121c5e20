/* verbs: writes what is made from the tables of cli/verb.c: the lists of muster(1) (mdoc) and the shells' completions.
 * usage: verbs manual | bash | zsh | fish */
#include "cli/verb.h"

#include <stdio.h>
#include <string.h>

static bool is_common(int option)
{
	return option <= OPTION_JSON;
}

/* ---- mdoc ---- */

/* As text of a page: neither an escape nor, at the start of a line, a request. */
static void print_text(const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", stdout);
	for (const char *start = text; *text != '\0'; text++) {
		if (*text == '\\')
			fputs("\\e", stdout);
		else if (*text == '-')
			fputs("\\-", stdout);
		else if (*text == ' ' && text > start && text[-1] == '.') /* a sentence begins its line */
			putchar('\n');
		else
			putchar(*text);
	}
}

static void print_option_line(const struct option_row *row)
{
	fputs(".It ", stdout);
	if (row->letter)
		printf("Fl %c , ", row->letter);
	printf("Fl \\-%s", row->name);
	if (row->argument)
		printf(" Ns = Ns Ar %s", row->argument);
	putchar('\n');
	print_text(row->help);
	puts(".");
}

static void print_common_options(void)
{
	puts(".Bl -tag -width Ds");
	for (int i = 0; i < OPTIONS; i++)
		if (is_common(i))
			print_option_line(&option_rows[i]);
	puts(".El");
}

static void print_verb_manual(const struct verb *verb)
{
	printf(".It Cm %s", verb->name);
	if (verb->arguments[0] != '\0') {
		fputs(" Ar ", stdout);
		for (const char *at = verb->arguments; *at != '\0'; at++) /* a bar alone would be a delimiter */
			fputs(*at == '|' ? "\\*(Ba" : (char[]){*at, '\0'}, stdout);
	}
	putchar('\n');
	print_text(verb->help);
	puts(".");
	if (verb->about) {
		print_text(verb->about);
		putchar('\n');
	}
	if (verb->options[0] == '\0')
		return;
	puts(".Bl -tag -width Ds");
	for (int i = 0; i < OPTIONS; i++)
		if (!is_common(i) && verb_takes(verb, (enum option_id)i))
			print_option_line(&option_rows[i]);
	puts(".El");
}

static void print_manual(void)
{
	puts(".Sh OPTIONS\nEvery verb takes these, before or after it:");
	print_common_options();
	puts(".Sh VERBS\n.Bl -tag -width Ds");
	for (size_t i = 0; i < verb_count; i++)
		print_verb_manual(&verbs[i]);
	puts(".El");
}

/* ---- bash ---- */

static void print_option_words(const struct verb *verb)
{
	for (int i = 0; i < OPTIONS; i++)
		if (verb ? verb_takes(verb, (enum option_id)i) : is_common(i))
			printf(" --%s", option_rows[i].name);
}

static void print_bash(void)
{
	puts("# bash completion for muster: made from its table of verbs\n_muster() {\n"
	     "\tlocal word=${COMP_WORDS[COMP_CWORD]} verb= i\n"
	     "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n\t\tcase ${COMP_WORDS[i]} in");
	fputs("\t\t", stdout);
	for (size_t i = 0; i < verb_count; i++)
		printf("%s%s", i > 0 ? "|" : "", verbs[i].name);
	puts(") verb=${COMP_WORDS[i]}; break ;;\n\t\tesac\n\tdone\n\tCOMPREPLY=()\n"
	     "\tcase ${COMP_WORDS[COMP_CWORD - 1]} in\n"
	     "\t--token-file|--ca) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n\tesac\n\tcase $verb in");
	fputs("\t'') COMPREPLY=($(compgen -W '", stdout);
	for (size_t i = 0; i < verb_count; i++)
		printf("%s%s", i > 0 ? " " : "", verbs[i].name);
	print_option_words(NULL);
	puts(" --help --version' -- \"$word\")) ;;");
	for (size_t i = 0; i < verb_count; i++) {
		printf("\t%s) COMPREPLY=($(compgen -W '", verbs[i].name);
		if (strcmp(verbs[i].name, "drill") == 0)
			fputs("kill hang stop broker", stdout);
		print_option_words(&verbs[i]);
		puts(" --help' -- \"$word\")) ;;");
	}
	puts("\tesac\n}\ncomplete -F _muster muster");
}

/* ---- zsh and fish ---- */

/* Between single quotes, and, for zsh, without what means something in a description. */
static void print_quoted(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			fputs("'\\''", stdout);
		else if (strchr("[]:", *text))
			putchar(' ');
		else
			putchar(*text);
	}
}

static void print_zsh_options(const struct verb *verb)
{
	for (int i = 0; i < OPTIONS; i++) {
		if (verb ? !verb_takes(verb, (enum option_id)i) : !is_common(i))
			continue;
		const struct option_row *row = &option_rows[i];
		const bool file = i == OPTION_TOKEN_FILE || i == OPTION_CA;
		printf(" \\\n\t\t\t'--%s%s[", row->name, row->argument ? "=" : "");
		print_quoted(row->help);
		printf("]%s%s%s'", row->argument ? ":" : "", row->argument ? row->argument : "",
			file            ? ":_files"
			: row->argument ? ": "
					: "");
	}
}

static void print_zsh(void)
{
	puts("#compdef muster\n# zsh completion for muster: made from its table of verbs\n_muster() {\n\tlocal -a "
	     "verbs\n\tverbs=(");
	for (size_t i = 0; i < verb_count; i++) {
		printf("\t\t'%s:", verbs[i].name);
		print_quoted(verbs[i].help);
		puts("'");
	}
	puts("\t)\n\tlocal verb=${words[(r)(${(j:|:)${verbs%%:*}})]}\n\tcase $verb in");
	for (size_t i = 0; i < verb_count; i++) {
		printf("\t%s)\n\t\t_arguments", verbs[i].name);
		print_zsh_options(&verbs[i]);
		puts(" \\\n\t\t\t'*: : ' ;;");
	}
	fputs("\t*)\n\t\t_arguments", stdout);
	print_zsh_options(NULL);
	puts("\n\t\t_describe verb verbs ;;\n\tesac\n}\n_muster \"$@\"");
}

static void print_fish_option(const struct option_row *row, const char *verb)
{
	fputs("complete -c muster", stdout);
	if (verb)
		printf(" -n '__fish_seen_subcommand_from %s'", verb);
	if (row->letter)
		printf(" -s %c", row->letter);
	printf(" -l %s%s -d '", row->name, row->argument ? " -x" : "");
	print_quoted(row->help);
	puts("'");
}

static void print_fish(void)
{
	puts("# fish completion for muster: made from its table of verbs\ncomplete -c muster -f");
	for (size_t i = 0; i < verb_count; i++) {
		printf("complete -c muster -n '__fish_use_subcommand' -a %s -d '", verbs[i].name);
		print_quoted(verbs[i].help);
		puts("'");
	}
	for (int i = 0; i < OPTIONS; i++)
		if (is_common(i))
			print_fish_option(&option_rows[i], NULL);
	for (size_t i = 0; i < verb_count; i++)
		for (int j = 0; j < OPTIONS; j++)
			if (!is_common(j) && verb_takes(&verbs[i], (enum option_id)j))
				print_fish_option(&option_rows[j], verbs[i].name);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*print)(void);
	} pages[] = {{"manual", print_manual}, {"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};

	for (size_t i = 0; argc == 2 && i < sizeof pages / sizeof pages[0]; i++)
		if (strcmp(argv[1], pages[i].name) == 0) {
			pages[i].print();
			return ferror(stdout) || fflush(stdout) != 0;
		}
	fputs("usage: verbs manual | bash | zsh | fish\n", stderr);
	return 64;
}
