/* Stands between a test process and the C library: records what is done to files below one directory, or makes one
 * of these operations fail. Preloaded (LD_PRELOAD), and driven through the crash_* functions (tests/crash/shim.py).
 *
 * One lock around each operation and its record: the order in the record is the order in which things happened. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum { OPEN = 1, CREATE = 2, WRITE = 4, SYNC = 8, TRUNCATE = 16, RENAME = 32, UNLINK = 64, MKDIR = 128, READ = 256 };
enum { MOST_FILES = 4096, LONGEST = 4096, SHORT = -1 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[LONGEST];
static size_t root_length;
static int trace = -1;
static unsigned char watched[MOST_FILES];

static int fail_kinds, fail_errno;
static long fail_at, fail_times, seen, hit;

struct record {
    int32_t op, fd;
    int64_t a, b;
    uint32_t path, data;
} __attribute__((packed));

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* -- for the test ------------------------------------------------------------------------------------------------ */

void crash_watch(const char *directory) {
    pthread_mutex_lock(&lock);
    snprintf(root, sizeof root, "%s", directory);
    root_length = strlen(root);
    memset(watched, 0, sizeof watched);
    pthread_mutex_unlock(&lock);
}

void crash_record(int descriptor) { trace = descriptor; }

/* The `at`-th operation of these kinds from now on fails with `error` (-1: it writes half), and so do the next ones,
 * `times` in all. `at` 0: none, only count. */
void crash_arm(int kinds, long at, int error, long times) {
    pthread_mutex_lock(&lock);
    fail_kinds = kinds, fail_at = at, fail_errno = error, fail_times = times, seen = hit = 0;
    pthread_mutex_unlock(&lock);
}

long crash_seen(void) { return seen; }
long crash_hit(void) { return hit; }

/* -- inside ------------------------------------------------------------------------------------------------------ */

static void put(const void *bytes, size_t count) {
    while (count) {
        ssize_t done = syscall(SYS_write, trace, bytes, count);
        if (done <= 0) return;
        bytes = (const char *)bytes + done, count -= (size_t)done;
    }
}

static void note(char op, int fd, int64_t a, int64_t b, const char *path, const void *data, size_t size) {
    if (trace < 0) return;
    struct record row = {op, fd, a, b, path ? (uint32_t)strlen(path) : 0, (uint32_t)size};
    put(&row, sizeof row);
    if (path) put(path, row.path);
    if (data) put(data, size);
}

void crash_mark(const char *text) {
    pthread_mutex_lock(&lock);
    note('K', -1, 0, 0, 0, text, strlen(text));
    pthread_mutex_unlock(&lock);
}

static int below(const char *path) {
    return root_length && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

/* The absolute path that `path` means beside the open directory. */
static const char *whole(int directory, const char *path, char *buffer) {
    if (path[0] == '/' || directory == AT_FDCWD) return path;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    ssize_t length = syscall(SYS_readlink, link, buffer, LONGEST - 2);
    if (length < 0) return path;
    snprintf(buffer + length, LONGEST - (size_t)length, "/%s", path);
    return buffer;
}

static int ours(int fd) { return fd >= 0 && fd < MOST_FILES && watched[fd]; }

/* True when this operation is to fail; errno is set. SHORT applies to writes only, where the caller asks for it. */
static int fails(int kind) {
    if (!(kind & fail_kinds)) return 0;
    seen++;
    if (!fail_at || seen < fail_at || seen >= fail_at + fail_times) return 0;
    hit++;
    if (fail_errno != SHORT) errno = fail_errno;
    return 1;
}

static int exists(const char *path) {
    struct stat found;
    int before = errno, there = !syscall(SYS_newfstatat, AT_FDCWD, path, &found, AT_SYMLINK_NOFOLLOW);
    errno = before;
    return there;
}

static int open_at(int directory, const char *path, int flags, mode_t mode) {
    char buffer[LONGEST];
    const char *full = whole(directory, path, buffer);
    if (!below(full)) return (int)syscall(SYS_openat, directory, path, flags, mode);
    pthread_mutex_lock(&lock);
    int creates = (flags & O_CREAT) && !exists(full), fd = -1;
    if (!fails(creates ? CREATE : OPEN)) fd = (int)syscall(SYS_openat, directory, path, flags, mode);
    if (fd >= 0 && fd < MOST_FILES) {
        watched[fd] = 1;
        note('O', fd, flags, creates, full, 0, 0);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

#define OPENER(name, ...) \
    int name(__VA_ARGS__, int flags, ...) { \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more);
OPENER(open, const char *path) return open_at(AT_FDCWD, path, flags, mode); }
OPENER(open64, const char *path) return open_at(AT_FDCWD, path, flags | O_LARGEFILE, mode); }
OPENER(openat, int directory, const char *path) return open_at(directory, path, flags, mode); }
OPENER(openat64, int directory, const char *path) return open_at(directory, path, flags | O_LARGEFILE, mode); }

int close(int fd) {
    if (ours(fd)) watched[fd] = 0;
    return (int)syscall(SYS_close, fd);
}

static ssize_t write_at(int fd, const void *bytes, size_t count, off_t at, int positioned) {
    if (!ours(fd)) {
        return positioned ? syscall(SYS_pwrite64, fd, bytes, count, at) : syscall(SYS_write, fd, bytes, count);
    }
    pthread_mutex_lock(&lock);
    ssize_t done = -1;
    int failing = fails(WRITE);
    if (!failing || fail_errno == SHORT) {
        size_t wanted = failing && count > 1 ? count / 2 : count;
        done = positioned ? syscall(SYS_pwrite64, fd, bytes, wanted, at) : syscall(SYS_write, fd, bytes, wanted);
    }
    if (done > 0) note('W', fd, positioned ? at : lseek(fd, 0, SEEK_CUR) - done, 0, 0, bytes, (size_t)done);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t write(int fd, const void *bytes, size_t count) { return write_at(fd, bytes, count, 0, 0); }
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return write_at(fd, bytes, count, at, 1); }
ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at) { return write_at(fd, bytes, count, at, 1); }

static ssize_t read_at(int fd, void *bytes, size_t count, off_t at, int positioned) {
    if (ours(fd)) {
        pthread_mutex_lock(&lock);
        int failing = fails(READ);
        pthread_mutex_unlock(&lock);
        if (failing) return -1;
    }
    return positioned ? syscall(SYS_pread64, fd, bytes, count, at) : syscall(SYS_read, fd, bytes, count);
}

ssize_t read(int fd, void *bytes, size_t count) { return read_at(fd, bytes, count, 0, 0); }
ssize_t pread(int fd, void *bytes, size_t count, off_t at) { return read_at(fd, bytes, count, at, 1); }
ssize_t pread64(int fd, void *bytes, size_t count, off_t at) { return read_at(fd, bytes, count, at, 1); }

/* A sync that fails leaves the pages clean and unwritten, as Linux does: the record says so. */
static int sync_one(int fd, int number) {
    if (!ours(fd)) return (int)syscall(number, fd);
    pthread_mutex_lock(&lock);
    int failing = fails(SYNC), done = failing ? -1 : (int)syscall(number, fd);
    note(done ? 'F' : 'S', fd, 0, 0, 0, 0, 0);
    pthread_mutex_unlock(&lock);
    return done;
}

int fsync(int fd) { return sync_one(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_one(fd, SYS_fdatasync); }

static int cut(int fd, off_t length) {
    if (!ours(fd)) return (int)syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&lock);
    int done = fails(TRUNCATE) ? -1 : (int)syscall(SYS_ftruncate, fd, length);
    if (!done) note('T', fd, length, 0, 0, 0, 0);
    pthread_mutex_unlock(&lock);
    return done;
}

int ftruncate(int fd, off_t length) { return cut(fd, length); }
int ftruncate64(int fd, off_t length) { return cut(fd, length); }

int posix_fallocate64(int fd, off_t at, off_t length) {
    REAL(posix_fallocate64);
    if (!ours(fd)) return real(fd, at, length);
    pthread_mutex_lock(&lock);
    int done = fails(WRITE) && fail_errno != SHORT ? errno : real(fd, at, length);
    if (!done) note('A', fd, at + length, 0, 0, 0, 0);
    pthread_mutex_unlock(&lock);
    return done;
}

int posix_fallocate(int fd, off_t at, off_t length) { return posix_fallocate64(fd, at, length); }

/* -- names ------------------------------------------------------------------------------------------------------- */

static int named(char op, int kind, const char *old, const char *new, long number, long a, long b, long c, long d, long e) {
    if (!below(old)) return (int)syscall(number, a, b, c, d, e);
    pthread_mutex_lock(&lock);
    int done = fails(kind) ? -1 : (int)syscall(number, a, b, c, d, e);
    if (!done) note(op, -1, 0, 0, old, new, new ? strlen(new) : 0);
    pthread_mutex_unlock(&lock);
    return done;
}

int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    char first[LONGEST], second[LONGEST];
    return named('R', RENAME, whole(from, old, first), whole(to, new, second), SYS_renameat2, from, (long)old, to, (long)new, flags);
}
int renameat(int from, const char *old, int to, const char *new) { return renameat2(from, old, to, new, 0); }
int rename(const char *old, const char *new) { return renameat2(AT_FDCWD, old, AT_FDCWD, new, 0); }

int unlinkat(int directory, const char *path, int flags) {
    char buffer[LONGEST];
    return named('U', UNLINK, whole(directory, path, buffer), 0, SYS_unlinkat, directory, (long)path, flags, 0, 0);
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int directory, const char *path, mode_t mode) {
    char buffer[LONGEST];
    return named('M', MKDIR, whole(directory, path, buffer), 0, SYS_mkdirat, directory, (long)path, mode, 0, 0);
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int truncate64(const char *path, off_t length) {
    int fd = open_at(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0) return -1;
    int done = cut(fd, length), why = errno;
    close(fd);
    errno = why;
    return done;
}
int truncate(const char *path, off_t length) { return truncate64(path, length); }
