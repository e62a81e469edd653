/* The least that can be done about an open: its path is written to a file, by a library that is loaded first. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void note(const char *path) {
    static int fd = -1;
    if (fd < 0) fd = syscall(SYS_openat, AT_FDCWD, getenv("PRELOAD_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0 && write(fd, path, strlen(path) + 1) < 0) fd = -1;
}

#define OPEN(name)                                                       \
    int name(const char *path, int flags, ...) {                         \
        va_list rest;                                                    \
        va_start(rest, flags);                                           \
        note(path);                                                      \
        int fd = syscall(SYS_openat, AT_FDCWD, path, flags, va_arg(rest, int)); \
        va_end(rest);                                                    \
        return fd;                                                       \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                     \
    int name(int folder, const char *path, int flags, ...) {             \
        va_list rest;                                                    \
        va_start(rest, flags);                                           \
        note(path);                                                      \
        int fd = syscall(SYS_openat, folder, path, flags, va_arg(rest, int)); \
        va_end(rest);                                                    \
        return fd;                                                       \
    }
OPENAT(openat)
OPENAT(openat64)

#define FOPEN(name)                                                      \
    void *name(const char *path, const char *mode) {                     \
        static void *(*next)(const char *, const char *);                \
        if (!next) *(void **)&next = dlsym(RTLD_NEXT, #name);            \
        note(path);                                                      \
        return next(path, mode);                                         \
    }
FOPEN(fopen)
FOPEN(fopen64)
