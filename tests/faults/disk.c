/* Records what a process does to the files of a folder and what it sends, in one order (LD_PRELOAD).

   TAILWIRE_DISK is the folder, TAILWIRE_RECORD the file for the record. An entry is: its kind (one byte), the offset or
   length (8 bytes), the length of the path and of the data (4 bytes each), the path, the data. Kinds:
     w  data was written to a file at an offset      t  a file was cut to a length
     s  a file or folder was synced                  c  a file was created
     u  a file was removed                           r  a file was renamed; the data is the new path
     a  data is about to be sent through a socket
   Changes of files are recorded after they were made, and data that is sent before it is: a message counts as
   acknowledged from the moment at which its answer may have left. A lock makes the call and its entry one step. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *disk;
static int record = -1;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("TAILWIRE_RECORD");
    disk = getenv("TAILWIRE_DISK");
    if (path && disk) record = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int below(const char *path) { return record >= 0 && path && !strncmp(path, disk, strlen(disk)); }

static int path_of(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = record >= 0 ? readlink(link, path, size - 1) : -1;
    if (n < 0) return 0;
    path[n] = 0;
    char *gone = strstr(path, " (deleted)");
    if (gone) *gone = 0;
    return below(path);
}

static void note(char kind, uint64_t number, const char *path, const void *data, uint32_t size) {
    char head[17];
    uint32_t length = strlen(path);
    int error = errno;
    head[0] = kind;
    memcpy(head + 1, &number, 8);
    memcpy(head + 9, &length, 4);
    memcpy(head + 13, &size, 4);
    struct iovec parts[3] = {{head, sizeof head}, {(void *)path, length}, {(void *)data, size}};
    if (syscall(SYS_writev, record, parts, 3) != (long)(sizeof head + length + size)) abort();
    errno = error;
}

#define LOCKED(real_call, good, entry)                                                                                 \
    do {                                                                                                               \
        pthread_mutex_lock(&turn);                                                                                     \
        __typeof__(real_call) done = (real_call);                                                                      \
        if (good) entry;                                                                                               \
        pthread_mutex_unlock(&turn);                                                                                   \
        return done;                                                                                                   \
    } while (0)

/* Files. */

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    char path[4096];
    if (!real) real = REAL(pwrite64);
    if (!path_of(fd, path, sizeof path)) return real(fd, data, size, offset);
    LOCKED(real(fd, data, size, offset), done > 0, note('w', offset, path, data, done));
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return pwrite64(fd, data, size, offset); }

static ssize_t written(int fd, const struct iovec *parts, int count, ssize_t (*real)(int, const struct iovec *, int)) {
    char path[4096];
    if (!path_of(fd, path, sizeof path)) return real(fd, parts, count);
    pthread_mutex_lock(&turn);
    off_t offset = lseek(fd, 0, SEEK_CUR);
    ssize_t done = real(fd, parts, count), left = done;
    if (fcntl(fd, F_GETFL) & O_APPEND) offset = lseek(fd, 0, SEEK_CUR) - (done > 0 ? done : 0);
    for (int n = 0; n < count && left > 0; n++) {
        ssize_t size = left < (ssize_t)parts[n].iov_len ? left : (ssize_t)parts[n].iov_len;
        note('w', offset, path, parts[n].iov_base, size);
        offset += size;
        left -= size;
    }
    pthread_mutex_unlock(&turn);
    return done;
}

int ftruncate64(int fd, off64_t length) {
    static int (*real)(int, off64_t);
    char path[4096];
    if (!real) real = REAL(ftruncate64);
    if (!path_of(fd, path, sizeof path)) return real(fd, length);
    LOCKED(real(fd, length), done == 0, note('t', length, path, "", 0));
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

#define SYNC(name)                                                                                                     \
    int name(int fd) {                                                                                                 \
        static int (*real)(int);                                                                                       \
        char path[4096];                                                                                               \
        if (!real) real = REAL(name);                                                                                  \
        if (!path_of(fd, path, sizeof path)) return real(fd);                                                          \
        LOCKED(real(fd), done == 0, note('s', 0, path, "", 0));                                                        \
    }

SYNC(fsync)
SYNC(fdatasync)

int unlink(const char *path) {
    static int (*real)(const char *);
    if (!real) real = REAL(unlink);
    if (!below(path)) return real(path);
    LOCKED(real(path), done == 0, note('u', 0, path, "", 0));
}

int rename(const char *from, const char *to) {
    static int (*real)(const char *, const char *);
    if (!real) real = REAL(rename);
    if (!below(from)) return real(from, to);
    LOCKED(real(from, to), done == 0, note('r', 0, from, to, strlen(to)));
}

static int opened(int (*real)(const char *, int, ...), const char *path, int flags, int mode) {
    struct stat there;
    if (!below(path) || !(flags & (O_CREAT | O_TRUNC))) return real(path, flags, mode);
    pthread_mutex_lock(&turn);
    int is_new = stat(path, &there) != 0;
    int fd = real(path, flags, mode);
    if (fd >= 0 && is_new) note('c', 0, path, "", 0);
    if (fd >= 0 && !is_new && (flags & O_TRUNC)) note('t', 0, path, "", 0);
    pthread_mutex_unlock(&turn);
    return fd;
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        static int (*real)(const char *, int, ...);                                                                    \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        int mode = va_arg(more, int);                                                                                  \
        va_end(more);                                                                                                  \
        if (!real) real = REAL(name);                                                                                  \
        return opened(real, path, flags, mode);                                                                        \
    }

OPEN(open)
OPEN(open64)

/* Sockets, and files that are written without an offset. */

static int is_socket(int fd) {
    struct stat kind;
    return record >= 0 && fstat(fd, &kind) == 0 && S_ISSOCK(kind.st_mode);
}

static void noted_parts(const struct iovec *parts, int count) {
    pthread_mutex_lock(&turn);
    for (int n = 0; n < count; n++) note('a', 0, "", parts[n].iov_base, parts[n].iov_len);
    pthread_mutex_unlock(&turn);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    static ssize_t (*real)(int, const struct iovec *, int);
    if (!real) real = REAL(writev);
    if (is_socket(fd)) noted_parts(parts, count);
    return written(fd, parts, count, real);
}

static ssize_t write_one(int fd, const struct iovec *part, int count) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = REAL(write);
    return real(fd, part->iov_base, part->iov_len);
}

ssize_t write(int fd, const void *data, size_t size) {
    struct iovec part = {(void *)data, size};
    if (is_socket(fd)) noted_parts(&part, 1);
    return written(fd, &part, 1, write_one);
}

ssize_t send(int fd, const void *data, size_t size, int flags) {
    static ssize_t (*real)(int, const void *, size_t, int);
    struct iovec part = {(void *)data, size};
    if (!real) real = REAL(send);
    if (is_socket(fd)) noted_parts(&part, 1);
    return real(fd, data, size, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    static ssize_t (*real)(int, const struct msghdr *, int);
    if (!real) real = REAL(sendmsg);
    if (is_socket(fd)) noted_parts(message->msg_iov, message->msg_iovlen);
    return real(fd, message, flags);
}
