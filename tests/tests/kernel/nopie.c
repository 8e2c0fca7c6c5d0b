/* A prefork server at a fixed address (gcc -no-pie): its workers write memory that the master filled. Prints a line of
 * JSON when they wait for a line of input, and another when they have written. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 4000, WORKERS = 2 };
static char *table;

__attribute__((noinline)) void update_counters(void)
{
    for (long at = 0; at < (long)PAGES * PAGE; at += PAGE)
        table[at]++;
}

int main(void)
{
    int orders[2], answers[2];
    char byte = 0;
    pid_t workers[WORKERS];
    if (pipe(orders) || pipe(answers) || posix_memalign((void **)&table, PAGE, (size_t)PAGES * PAGE))
        return 1;
    memset(table, 1, (size_t)PAGES * PAGE);
    for (int worker = 0; worker < WORKERS; worker++)
        if (!(workers[worker] = fork())) {
            if (read(orders[0], &byte, 1) == 1) {
                update_counters();
                if (write(answers[1], "d", 1) == 1)
                    pause();
            }
            _exit(0);
        }
    printf("{\"master\": %d}\n", getpid());
    fflush(stdout);
    getchar();
    for (int worker = 0; worker < WORKERS; worker++)
        if (write(orders[1], "g", 1) != 1)
            return 1;
    for (int worker = 0; worker < WORKERS; worker++)
        if (read(answers[0], &byte, 1) != 1)
            return 1;
    puts("{\"done\": true}");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    for (int worker = 0; worker < WORKERS; worker++) {
        kill(workers[worker], SIGKILL);
        waitpid(workers[worker], 0, 0);
    }
    return 0;
}
