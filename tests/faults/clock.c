// Preloaded, the clock on the wall jumps every half second: back by an hour, forward by a day, and right again.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>

static int real(clockid_t clock, struct timespec *at) {
  static int (*asked)(clockid_t, struct timespec *);
  if (!asked) asked = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  return asked(clock, at);
}

int clock_gettime(clockid_t clock, struct timespec *at) {
  static const long jumps[] = {0, -3600, 86400};
  struct timespec now;
  int failed = real(clock, at);
  if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) && !real(CLOCK_MONOTONIC, &now))
    at->tv_sec += jumps[(2 * now.tv_sec + now.tv_nsec / 500000000) % 3];
  return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  struct timespec now;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}
