# libexec: small programs that Muster itself starts.
pkglibexec_PROGRAMS = libexec/launch
libexec_launch_SOURCES = libexec/launch.c
