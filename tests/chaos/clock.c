/* Moves the wall clock of the process that preloads it, by the seconds in the file that ROWDOCK_TEST_CLOCK names: as if
   somebody had set the machine's clock. Waiting until a moment of the wall clock follows it, as in the kernel. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <errno.h>

static volatile int64_t *seconds_ahead;
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

__attribute__((constructor)) static void begin(void)
{
    const char *file = getenv("ROWDOCK_TEST_CLOCK");
    int descriptor = file ? open(file, O_RDONLY) : -1;
    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    real_timedwait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
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

/* In slices, since the kernel knows nothing of our clock: it may be set while somebody waits. A slice that is over is a
   wake-up without a cause, which every waiter must expect: it looks again, so that no signal between slices is missed. */
int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until)
{
    struct timespec now, slice;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec > until->tv_sec || (now.tv_sec == until->tv_sec && now.tv_nsec >= until->tv_nsec)) {
        /* As the real one does, it lets others have the mutex. */
        pthread_mutex_unlock(mutex);
        pthread_mutex_lock(mutex);
        return ETIMEDOUT;
    }
    real_clock_gettime(CLOCK_REALTIME, &slice);
    int64_t left = (until->tv_sec - now.tv_sec) * 1000000000LL + until->tv_nsec - now.tv_nsec;
    if (left > 50000000LL)
        left = 50000000LL;
    slice.tv_nsec += left;
    if (slice.tv_nsec >= 1000000000L) {
        slice.tv_nsec -= 1000000000L;
        slice.tv_sec++;
    }
    int result = real_timedwait(condition, mutex, &slice);
    return result == ETIMEDOUT ? 0 : result;
}
