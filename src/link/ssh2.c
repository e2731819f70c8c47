#include "link_local.h"
int link_open_ssh2(const struct link_target *target, const struct log *log,
		   struct link **out, struct err *err)
{
	(void)target, (void)log;
	*out = NULL;
	return err_set(err, ERR_START, "not yet");
}
