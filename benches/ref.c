/* The least work that a no-op check and a first write of many small files can be: system calls only.
 *
 *   ref check  MANIFEST   open, fstat, read and compare each file and its mode
 *   ref write  MANIFEST   temporary name, write, mode, rename; then one syncfs
 *   ref repeat N MANIFEST check N times over in one process, for a stable reading of its CPU time
 *
 * MANIFEST is "path length\n" and that many bytes, again and again; bench.py writes it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[4096], temporary[4200], buffer[1 << 16];

static int check(const char *data, size_t length) {
    struct stat s;
    int f = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int same = f >= 0 && !fstat(f, &s) && (s.st_mode & 07777) == 0644 && (size_t)s.st_size == length &&
               read(f, buffer, sizeof buffer) == (ssize_t)length && !memcmp(buffer, data, length);
    if (f >= 0) close(f);
    return same;
}

static int store(const char *data, size_t length) {
    for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(path, 0755);
        *slash = '/';
    }
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    int f = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int good = f >= 0 && write(f, data, length) == (ssize_t)length && !fchmod(f, 0644);
    if (f >= 0) close(f);
    return good && !rename(temporary, path);
}

int main(int count, char **argument) {
    if (count < 3) return 2;
    int writing = !strcmp(argument[1], "write");
    long rounds = strcmp(argument[1], "repeat") ? 1 : atol(argument[2]);
    int manifest = open(argument[count - 1], O_RDONLY);
    struct stat s;
    if (manifest < 0 || fstat(manifest, &s)) return 2;
    char *begin = mmap(0, s.st_size, PROT_READ, MAP_PRIVATE, manifest, 0), *end = begin + s.st_size;
    long files = 0, different = 0;
    umask(0);
    while (rounds-- > 0)
        for (char *at = begin; at < end; files++) {
            char *line = memchr(at, '\n', end - at), *space = memrchr(at, ' ', line - at);
            memcpy(path, at, space - at);
            path[space - at] = 0;
            size_t length = strtoul(space + 1, 0, 10);
            at = line + 1 + length;
            different += writing ? !store(line + 1, length) : !check(line + 1, length);
        }
    if (writing) syncfs(manifest);
    printf("%ld files, %ld different\n", files, different);
    return different != 0;
}
