/* A master with a sparse memory of 20 GiB, whose workers write some of it and give it back. Prints a line of JSON when
 * they wait for a line of input, and another when all have written. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <signal.h>
enum { PAGE = 4096, CLUSTERS = 10, EACH = 100 };
int main(int argc, char **argv)
{
    int workers = atoi(argv[1]);
    long bytes = 20L << 30;
    char *m = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    madvise(m, bytes, MADV_NOHUGEPAGE);
    for (int c = 0; c < CLUSTERS; c++)
        for (int p = 0; p < EACH; p++)
            m[c * (bytes / CLUSTERS) + (long)p * PAGE] = 1;
    int orders[2], answers[2];
    if (pipe(orders) || pipe(answers))
        return 1;
    for (int w = 0; w < workers; w++)
        if (!fork()) {
            char b;
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (read(orders[0], &b, 1) == 1) {
                for (int c = 0; c < CLUSTERS; c++) {
                    char *at = m + c * (bytes / CLUSTERS);
                    for (int p = 0; p < EACH; p++)
                        at[(long)p * PAGE]++;
                    madvise(at, (long)EACH * PAGE, MADV_DONTNEED);
                }
                if (write(answers[1], "d", 1) == 1)
                    pause();
            }
            _exit(0);
        }
    printf("{\"master\": %d}\n", getpid());
    fflush(stdout);
    getchar();
    int sent = 0, done = 0;
    char b;
    while (done < workers) {
        /* Only some at a time, for lack of memory. */
        while (sent < workers && sent - done < 64) {
            if (write(orders[1], "g", 1) != 1)
                return 1;
            sent++;
        }
        if (read(answers[0], &b, 1) != 1)
            return 1;
        done++;
    }
    puts("{\"done\": true}");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return 0;
}
