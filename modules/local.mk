# modules: the bundled classes. Shared objects without libtool: Muster is for Linux, and a module is only ever dlopened.
# Of Muster they see include/muster.h and nothing else. They replace AM_CPPFLAGS, not add to it: hence per-module flags.
module_cppflags = -D_GNU_SOURCE -I$(top_srcdir)/include $(HARDENING_CPPFLAGS) $(JANSSON_CFLAGS)
module_cflags = $(SHARED_CFLAGS) -fPIC
module_ldflags = $(HARDENING_LDFLAGS) -shared
module_PROGRAMS = modules/demo.so

modules_demo_so_SOURCES = modules/demo.c
modules_demo_so_CPPFLAGS = $(module_cppflags)
modules_demo_so_CFLAGS = $(module_cflags)
modules_demo_so_LDFLAGS = $(module_ldflags)
modules_demo_so_LDADD = $(JANSSON_LIBS)

if HAVE_CURL
module_PROGRAMS += modules/http.so
endif
modules_http_so_SOURCES = modules/http.c modules/http_guard.c modules/http_guard.h modules/http_options.c \
	modules/http_options.h modules/http_sign.c modules/http_sign.h modules/http_transfer.c modules/http_transfer.h
modules_http_so_CPPFLAGS = $(module_cppflags) -I$(top_srcdir) $(CURL_CFLAGS) $(NETTLE_CFLAGS)
modules_http_so_CFLAGS = $(module_cflags)
modules_http_so_LDFLAGS = $(module_ldflags)
modules_http_so_LDADD = $(CURL_LIBS) $(NETTLE_LIBS) $(JANSSON_LIBS)
