/* nolandlock.so: a kernel without Landlock, so that the program's own checks
 * stand alone. */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>

#define CREATE_RULESET 444

__attribute__((visibility("default"))) long syscall(long number, ...)
{
	long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	long a[6];
	va_list ap;
	int i;

	if (number == CREATE_RULESET || !real) {
		errno = ENOSYS;
		return -1;
	}
	va_start(ap, number);
	for (i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
