/* Stands between a process and its machine (LD_PRELOAD): the wall clock can be set, and a folder's disk can go bad.

   TAILWIRE_MACHINE names a file of two numbers that is mapped, so that a change takes effect at once: seconds by which
   the wall clock is wrong, and the error that writing to files below TAILWIRE_DISK ends with (0: none). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long *machine;
static const char *disk;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("TAILWIRE_MACHINE");
    int fd = path ? open(path, O_RDONLY) : -1;
    if (fd < 0) return;
    void *at = mmap(NULL, 2 * sizeof(long), PROT_READ, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED) machine = at;
    disk = getenv("TAILWIRE_DISK");
    close(fd);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* The clock. */

int clock_gettime(clockid_t id, struct timespec *t) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = REAL(clock_gettime);
    int done = real(id, t);
    if (machine && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) t->tv_sec += machine[0];
    return done;
}

int gettimeofday(struct timeval *t, void *zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t) t->tv_sec = now.tv_sec, t->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *t) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t) *t = now.tv_sec;
    return now.tv_sec;
}

/* The disk. */

static int bad_path(const char *path) {
    if (!machine || !machine[1] || !disk || !path || strncmp(path, disk, strlen(disk))) return 0;
    errno = (int)machine[1];
    return 1;
}

static int bad(int fd) {
    if (!machine || !machine[1] || !disk) return 0;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return bad_path(path);
}

#define WRITING(name, result, parameters, arguments)                       \
    result name parameters {                                               \
        static result(*real) parameters;                                   \
        if (!real) real = (result(*) parameters)dlsym(RTLD_NEXT, #name);   \
        return bad(fd) ? -1 : real arguments;                              \
    }

WRITING(write, ssize_t, (int fd, const void *data, size_t size), (fd, data, size))
WRITING(pwrite, ssize_t, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at))
WRITING(pwrite64, ssize_t, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at))
WRITING(ftruncate, int, (int fd, off_t size), (fd, size))
WRITING(ftruncate64, int, (int fd, off64_t size), (fd, size))
WRITING(fsync, int, (int fd), (fd))
WRITING(fdatasync, int, (int fd), (fd))

static int opens_to_write(const char *path, int flags) {
    return (flags & (O_WRONLY | O_RDWR | O_CREAT)) && bad_path(path);
}

#define OPENING(name)                                                                \
    int name(const char *path, int flags, ...) {                                     \
        static int (*real)(const char *, int, ...);                                  \
        if (!real) real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name);  \
        va_list more;                                                                \
        va_start(more, flags);                                                       \
        int mode = va_arg(more, int);                                                \
        va_end(more);                                                                \
        return opens_to_write(path, flags) ? -1 : real(path, flags, mode);           \
    }

OPENING(open)
OPENING(open64)
