/* Moves the wall clock of the process that preloads it, by the seconds in the file that ROWDOCK_TEST_CLOCK names: as if
   somebody had set the machine's clock. Waiting until a moment of the wall clock follows it, as in the kernel. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *seconds_ahead;
static int (*real_clock_gettime)(clockid_t, struct timespec *);
typedef int wait_function(void *, void *, const struct timespec *);
static wait_function *real_pthread_wait, *real_cnd_wait;

/* No longer than this does a wait go on that a clock which was set has ended. */
#define SLICE_NS 50000000LL

__attribute__((constructor)) static void begin(void)
{
    const char *file = getenv("ROWDOCK_TEST_CLOCK");
    int descriptor = file ? open(file, O_RDONLY) : -1;
    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    real_pthread_wait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    real_cnd_wait = dlsym(RTLD_NEXT, "cnd_timedwait");
    if (descriptor >= 0) {
        void *map = mmap(0, sizeof(int64_t), PROT_READ, MAP_SHARED, descriptor, 0);
        if (map != MAP_FAILED)
            seconds_ahead = map;
        close(descriptor);
    }
}

static int64_t ahead(void) { return seconds_ahead ? *seconds_ahead : 0; }

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (!real_clock_gettime)
        begin();
    int result = real_clock_gettime(clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += ahead();
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec precise;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise))
        return -1;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *now, int base)
{
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, now) == 0 ? base : 0;
}

/* Waits in slices until a moment of our clock, since the kernel knows nothing of it, and it may be set while somebody
   waits: ahead, and the wait ends; back, and it lasts for so much longer. Nobody hears of slices: who signals holds the
   mutex, as librdkafka does, and a waiter lets go of that only while it waits. */
static int wait_until(wait_function *wait, int over, void *condition, void *mutex, const struct timespec *until)
{
    for (;;) {
        struct timespec slice;
        real_clock_gettime(CLOCK_REALTIME, &slice);
        int64_t left = (until->tv_sec - slice.tv_sec - ahead()) * 1000000000LL + until->tv_nsec - slice.tv_nsec;
        int is_last = left <= SLICE_NS;
        /* A wait for a moment that has gone by lets others have the mutex too. */
        slice.tv_nsec += left < 0 ? 0 : is_last ? left : SLICE_NS;
        if (slice.tv_nsec >= 1000000000L) {
            slice.tv_nsec -= 1000000000L;
            slice.tv_sec++;
        }
        int result = wait(condition, mutex, &slice);
        if (result != over || is_last)
            return result;
    }
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until)
{
    return wait_until(real_pthread_wait, ETIMEDOUT, condition, mutex, until);
}

/* The C library's own does not come by the one above. It is what librdkafka calls. */
int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *until)
{
    return wait_until(real_cnd_wait, thrd_timedout, condition, mutex, until);
}
