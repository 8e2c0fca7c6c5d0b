/* A prefork server whose worker stores to the memory that the master filled in ways that are known: each function to
 * pages of its own. Prints a line of JSON when it waits for a line of input, and another when all is written. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 400, FUNCTIONS = 15 };
/* What the master put everywhere: no address, and no small number. */
static const uint64_t OLD = 0xa5c3f00f5a3c1234;
static char *table;
typedef uint64_t vector __attribute__((vector_size(16)));

#define EACH(name, place)                                                      \
    __attribute__((noinline)) static void name(char *from);                    \
    __attribute__((noinline)) static void name##_at(char *at);                 \
    static void name(char *from)                                               \
    {                                                                          \
        for (int page = 0; page < PAGES; page++)                               \
            name##_at(from + (long)page * PAGE + (place));                     \
    }                                                                          \
    static void name##_at(char *at)

EACH(count_up, 64) { (*(volatile uint64_t *)at)++; }
EACH(count_up_odd, 101) { (*(volatile uint32_t *)at)++; }
EACH(count_up_at_once, 8) { __atomic_fetch_add((uint64_t *)at, 1, __ATOMIC_SEQ_CST); }
EACH(count_up_if_alone, 24)
{
    uint64_t old = *(volatile uint64_t *)at;
    __atomic_compare_exchange_n((uint64_t *)at, &old, old + 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
EACH(count_down, 4088) { (*(volatile uint64_t *)at)--; }
EACH(count_down_byte, 1) { (*(volatile uint8_t *)at)--; }
EACH(set_flag, 3) { *(volatile uint8_t *)at |= 0x80; }
/* The lowest bit of a byte, by a plain store: a count by one looks the same. */
EACH(mark_byte, 1) { *(volatile uint8_t *)at = 0x13; }
EACH(swap_bit, 512) { *(volatile uint64_t *)at = OLD ^ 0x10; }
EACH(store_again, 0) { *(volatile uint64_t *)at = OLD; }
EACH(forget, 16) { *(volatile uint64_t *)at = 0; }
EACH(forget_half, 2048) { *(volatile uint32_t *)at = 0; }
EACH(link_to, 1024) { *(char *volatile *)at = table; }
EACH(fill, 16) { *(volatile vector *)at = (vector){1, 2}; }
EACH(compute, 40) { *(volatile uint64_t *)at = *(volatile uint64_t *)at * 31 + 7; }

static void (*const functions[FUNCTIONS])(char *) = {
    count_up, count_up_odd, count_up_at_once, count_up_if_alone, count_down, count_down_byte, set_flag,
    mark_byte, swap_bit, store_again, forget, forget_half, link_to, fill, compute,
};

static void write_all(void)
{
    for (int which = 0; which < FUNCTIONS; which++)
        functions[which](table + (long)which * PAGES * PAGE);
}

int main(void)
{
    int orders[2], answers[2];
    char byte = 0;
    long bytes = (long)FUNCTIONS * PAGES * PAGE;
    if (pipe(orders) || pipe(answers) || posix_memalign((void **)&table, PAGE, bytes))
        return 1;
    for (long at = 0; at < bytes; at += sizeof OLD)
        *(uint64_t *)(table + at) = OLD;
    /* Where an address is stored, another one was. */
    for (int page = 0; page < PAGES; page++)
        *(char **)(table + (12L * PAGES + page) * PAGE + 1024) = (char *)&table;
    /* And flags that are set were not. */
    for (int page = 0; page < PAGES; page++)
        table[(6L * PAGES + page) * PAGE + 3] = 1;
    pid_t worker = fork();
    if (!worker) {
        if (read(orders[0], &byte, 1) == 1) {
            write_all();
            if (write(answers[1], "d", 1) == 1)
                pause();
        }
        _exit(0);
    }
    printf("{\"master\": %d}\n", getpid());
    fflush(stdout);
    getchar();
    if (write(orders[1], "g", 1) != 1 || read(answers[0], &byte, 1) != 1)
        return 1;
    puts("{\"done\": true}");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    kill(worker, SIGKILL);
    waitpid(worker, 0, 0);
    return 0;
}
