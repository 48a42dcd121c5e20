/* embed: the bytes of a file in the source tree, as part of the program.
 *
 *     EMBED_FILE(turn_lua, "core/broker/turn.lua");
 *     … turn_lua, embed_length(turn_lua) …
 *
 * At file scope; the path is relative to the top of the sources. The bytes are read-only, a NUL follows them, and the
 * name is visible within the program only. Make sees no dependency in this: name the file in the Makefile. */
#ifndef MUSTER_CORE_EMBED_H
#define MUSTER_CORE_EMBED_H

#include <stddef.h>

#define EMBED_FILE(name, path)                                                                                         \
	__asm__(".pushsection .rodata.embed, \"a\", @progbits\n"                                                       \
		".global " #name ", " #name "_end\n"                                                                   \
		".hidden " #name ", " #name "_end\n"                                                                   \
		".balign 16\n" #name ":\n"                                                                             \
		".incbin \"" MUSTER_TOP_SRCDIR "/" path "\"\n" #name "_end:\n"                                         \
		".byte 0\n"                                                                                            \
		".popsection\n");                                                                                      \
	extern const char name[] __attribute__((visibility("hidden")));                                                \
	extern const char name##_end[] __attribute__((visibility("hidden")))

#define embed_length(name) ((size_t)(name##_end - name))

#endif
