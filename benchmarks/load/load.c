/* The load of the benchmarks: one thread, epoll, no allocation while it runs.
 *
 * The sockets are opened and authenticated by the caller and inherited. The program keeps one message of each sender in
 * flight, counts what the receivers get, and measures the time from a send to its delivery.
 *
 * Usage: load SPEC, where SPEC is a file of lines "key value ...":
 *   mode fanout|sends      fanout: a sender goes on when all receivers have its message
 *                          sends: the receiver of a sender is the one at the same place; it goes on when the message
 *                          was answered and, if there are receivers, delivered
 *   seconds S
 *   marker BYTE            occurs PER times in each message that a receiver gets
 *   per PER
 *   answer http|pong|msg   what answers a send: an HTTP response, PONG, or a message of NATS
 *   stamp OFFSET           where the time of the send is written into the request, as 16 hexadecimal digits directly
 *                          behind a marker; -1 for none
 *   receivers FD ...
 *   senders FD ...
 *   request FILE           one for all senders, or one line for each
 *
 * It prints "ready", waits for a line on its standard input, runs, and prints the result as JSON.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SOCKETS = 100000, BUFFER_BYTES = 1 << 20, ANSWER_BYTES = 1 << 16, EVENTS = 1024, SAMPLED_SOCKETS = 32 };
enum { FINE_BUCKETS = 10000, COARSE_BUCKETS = 100000 }; /* of 1 us up to 10 ms, of 100 us up to 10 s */
enum mode { FANOUT, SENDS };
enum answer { HTTP, PONG, MSG };

struct receiver {
    int fd;
    uint64_t markers;
};

struct sender {
    int fd;
    char *request, answer[ANSWER_BYTES];
    size_t size, filled;
    uint64_t sent_at, goal;
    int answered, waits;
};

static enum mode mode;
static enum answer kind;
static int marker = '`', per = 1, epoll_fd;
static long stamp = -1;
static double seconds = 4;
static struct receiver *receivers;
static struct sender *senders;
static int receiver_count, sender_count, request_count;
static uint64_t markers, bytes, messages, samples, expected;
static uint32_t fine[FINE_BUCKETS], coarse[COARSE_BUCKETS];
static int *waiting, waiting_from, waiting_to; /* senders in the order of their answers, a ring */
static char buffer[BUFFER_BYTES];

static void fail(const char *what, const char *detail) {
    fprintf(stderr, "load: %s: %s\n", what, detail);
    exit(1);
}

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void sample(uint64_t sent_at) {
    uint64_t us = (now() - sent_at) / 1000;
    samples++;
    if (us < FINE_BUCKETS)
        fine[us]++;
    else
        coarse[us / 100 < COARSE_BUCKETS ? us / 100 : COARSE_BUCKETS - 1]++;
}

static double percentile(double part) {
    uint64_t left = (uint64_t)(part * (double)samples), i;
    for (i = 0; i < FINE_BUCKETS; i++)
        if (fine[i] > left)
            return (double)i / 1000;
        else
            left -= fine[i];
    for (i = 0; i < COARSE_BUCKETS; i++)
        if (coarse[i] > left)
            return (double)i / 10;
        else
            left -= coarse[i];
    return 0;
}

static void send_next(struct sender *s) {
    s->sent_at = now();
    s->answered = 0;
    if (stamp >= 0) {
        char digits[17];
        snprintf(digits, sizeof digits, "%016llx", (unsigned long long)s->sent_at);
        memcpy(s->request + stamp, digits, 16);
    }
    if (send(s->fd, s->request, s->size, MSG_NOSIGNAL) != (ssize_t)s->size)
        fail("cannot send", strerror(errno));
}

/* Return how many bytes of the buffer are one whole answer, 0 if it is incomplete. */
static size_t whole_answer(struct sender *s) {
    char *a = s->answer, *end, *found;
    a[s->filled] = 0;
    if (kind == PONG) {
        found = strstr(a, "PONG\r\n");
        return found ? (size_t)(found - a) + 6 : 0;
    }
    if (kind == HTTP) {
        if (!(end = strstr(a, "\r\n\r\n")))
            return 0;
        if (strncmp(a, "HTTP/1.1 200", 12))
            fail("refused", a);
        found = strcasestr(a, "content-length: ");
        size_t size = (size_t)(end - a) + 4 + (found && found < end ? (size_t)atol(found + 16) : 0);
        return s->filled >= size ? size : 0;
    }
    if (!(found = strstr(a, "MSG ")) || !(end = strstr(found, "\r\n")))
        return 0;
    char *last = end;
    while (last[-1] != ' ')
        last--;
    size_t size = (size_t)(end - a) + 2 + (size_t)atol(last) + 2;
    return s->filled >= size ? size : 0;
}

static int delivered(int i) { return !receiver_count || receivers[i].markers >= senders[i].goal; }

static void finish(int i) {
    struct sender *s = &senders[i];
    messages++;
    if (!receiver_count)
        sample(s->sent_at);
    s->goal += (uint64_t)per;
    send_next(s);
}

static void read_sender(int i) {
    struct sender *s = &senders[i];
    ssize_t got = recv(s->fd, s->answer + s->filled, ANSWER_BYTES - 1 - s->filled, 0);
    if (got <= 0)
        fail("a sender's connection ended", got ? strerror(errno) : "closed");
    s->filled += (size_t)got;
    size_t size = whole_answer(s);
    if (!size)
        return;
    memmove(s->answer, s->answer + size, s->filled -= size);
    if (mode == SENDS) {
        s->answered = 1;
        if (delivered(i))
            finish(i);
        return;
    }
    expected += (uint64_t)per * (uint64_t)receiver_count;
    s->goal = expected;
    waiting[waiting_to++ % sender_count] = i;
}

static uint64_t stamp_at(const char *at, const char *end) {
    char digits[17];
    if (end - at < 17)
        return 0; /* cut off by the buffer: not sampled */
    memcpy(digits, at + 1, 16);
    digits[16] = 0;
    return strtoull(digits, NULL, 16);
}

static void read_receiver(int i) {
    struct receiver *r = &receivers[i];
    ssize_t got = recv(r->fd, buffer, BUFFER_BYTES, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        fail("a receiver's connection ended", got ? strerror(errno) : "closed");
    bytes += (uint64_t)got;
    int sampled = stamp >= 0 && i % (receiver_count / SAMPLED_SOCKETS + 1) == 0;
    for (char *at = buffer, *end = buffer + got; (at = memchr(at, marker, (size_t)(end - at))); at++) {
        r->markers++;
        markers++;
        uint64_t sent_at = sampled ? stamp_at(at, end) : 0;
        if (sent_at)
            sample(sent_at);
    }
    if (mode == SENDS && senders[i].answered && delivered(i))
        finish(i);
}

static void run(void) {
    static struct epoll_event events[EVENTS];
    struct epoll_event event;
    for (int i = 0; i < receiver_count + sender_count; i++) {
        event.events = EPOLLIN;
        event.data.u32 = (uint32_t)i;
        int fd = i < receiver_count ? receivers[i].fd : senders[i - receiver_count].fd;
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event))
            fail("epoll", strerror(errno));
    }
    for (int i = 0; i < sender_count; i++) {
        if (mode == SENDS)
            senders[i].goal = (receiver_count ? receivers[i].markers : 0) + (uint64_t)per;
        send_next(&senders[i]);
    }
    uint64_t end = now() + (uint64_t)(seconds * 1e9);
    while (now() < end) {
        int ready = epoll_wait(epoll_fd, events, EVENTS, 100);
        for (int n = 0; n < ready; n++) {
            int i = (int)events[n].data.u32;
            if (i < receiver_count)
                read_receiver(i);
            else
                read_sender(i - receiver_count);
        }
        while (mode == FANOUT && waiting_from < waiting_to) {
            struct sender *s = &senders[waiting[waiting_from % sender_count]];
            if (markers < s->goal)
                break;
            waiting_from++;
            messages++;
            send_next(s);
        }
    }
}

static char *contents(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file)
        fail(path, strerror(errno));
    char *data = malloc(ANSWER_BYTES);
    *size = fread(data, 1, ANSWER_BYTES, file);
    fclose(file);
    return data;
}

static void read_spec(const char *path) {
    FILE *file = fopen(path, "r");
    char *line = NULL, *word;
    size_t room = 0;
    if (!file)
        fail(path, strerror(errno));
    while (getline(&line, &room, file) > 0) {
        char *key = strtok(line, " \n");
        if (!strcmp(key, "receivers") || !strcmp(key, "senders")) {
            while ((word = strtok(NULL, " \n")))
                if (*key == 'r')
                    receivers[receiver_count++].fd = atoi(word);
                else
                    senders[sender_count++].fd = atoi(word);
            continue;
        }
        word = strtok(NULL, "\n");
        if (!strcmp(key, "mode"))
            mode = strcmp(word, "sends") ? FANOUT : SENDS;
        else if (!strcmp(key, "seconds"))
            seconds = atof(word);
        else if (!strcmp(key, "marker"))
            marker = atoi(word);
        else if (!strcmp(key, "per"))
            per = atoi(word);
        else if (!strcmp(key, "stamp"))
            stamp = atol(word);
        else if (!strcmp(key, "answer"))
            kind = !strcmp(word, "http") ? HTTP : !strcmp(word, "pong") ? PONG : MSG;
        else if (!strcmp(key, "request")) {
            senders[request_count].request = contents(word, &senders[request_count].size);
            request_count++;
        } else
            fail("unknown key", key);
    }
    free(line);
    fclose(file);
    for (int i = request_count; request_count == 1 && i < sender_count; i++) {
        senders[i].size = senders[0].size;
        senders[i].request = malloc(ANSWER_BYTES);
        memcpy(senders[i].request, senders[0].request, senders[0].size);
    }
    if (!sender_count || (request_count != 1 && request_count != sender_count))
        fail(path, "needs senders, and one request or one for each");
}

int main(int count, char **arguments) {
    if (count != 2)
        fail("usage", "load SPEC");
    receivers = calloc(MAX_SOCKETS, sizeof *receivers);
    senders = calloc(4096, sizeof *senders);
    waiting = calloc(4096, sizeof *waiting);
    epoll_fd = epoll_create1(0);
    read_spec(arguments[1]);
    puts("ready");
    fflush(stdout);
    if (getchar() == EOF)
        fail("input", "ended");
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    uint64_t begin = now();
    run();
    double took = (double)(now() - begin) / 1e9;
    getrusage(RUSAGE_SELF, &after);
#define CPU(u) ((double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6)
    printf("{\"seconds\": %.6f, \"messages\": %llu, \"deliveries\": %llu, \"bytes\": %llu, \"cpu\": %.4f,"
           " \"samples\": %llu, \"p50\": %.3f, \"p99\": %.3f, \"highest\": %.3f}\n",
           took, (unsigned long long)messages, (unsigned long long)(markers / (uint64_t)per), (unsigned long long)bytes,
           CPU(after) - CPU(before), (unsigned long long)samples, percentile(0.5), percentile(0.99), percentile(0.9999));
    return 0;
}
