/* A message from a child process, through a path that both know. Prints:
 * hello from the child
 */
#include <pyhelpers.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int child(const char *path) {
    static const uint8_t text[] = "hello from the child";
    npipe_t *writer = NULL;
    if (npipe_new(path, NULL, &writer) < 0) return 1;
    int32_t sent = 0;
    for (int attempt = 0; sent == 0 && attempt < 5000; attempt++) {
        sent = npipe_send_one(writer, text, sizeof text - 1, 1000);
        /* There is no reader yet. */
        if (sent == 0) usleep(1000);
    }
    return npipe_close(writer) < 0 || sent != 1;
}

int main(void) {
    char folder[] = "/tmp/pipe-XXXXXX", path[32];
    if (mkdtemp(folder) == NULL) return 1;
    snprintf(path, sizeof path, "%s/my.pipe", folder);

    pid_t pid = fork();
    if (pid == 0) _exit(child(path));
    uint8_t buffer[64];
    npipe_t *reader = NULL;
    if (npipe_new(path, NULL, &reader) < 0) return 1;
    int64_t length = npipe_receive_one(reader, buffer, sizeof buffer, 5000);
    if (length >= 0) printf("%.*s\n", (int)length, (const char *)buffer);

    int status = 0;
    waitpid(pid, &status, 0);
    npipe_close(reader);
    unlink(path);
    rmdir(folder);
    return length < 0 || status != 0;
}
