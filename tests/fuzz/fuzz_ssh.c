/* What other programs tell us, and addresses.  First byte: 0 ssh-keygen -F,
 * 1 ssh -G, 2 the answers of an agent, 3 the address of a destination. */
#include "fuzz.h"

#include <sys/socket.h>
#include <unistd.h>

#include "cli/config.h"
#include "link/ssh_local.h"

static void known_hosts(char *text)
{
	static const unsigned char key[] = "\0\0\0\13ssh-ed25519 and more";
	struct known_hosts k = {.name = "host"};
	struct ssh_settings s = {.port = 22};
	char methods[256];
	struct err err;

	HOLDS(known_hosts_parse(&k, text, &err) == 0);
	known_hosts_prefer(&k, methods, sizeof(methods));
	HOLDS(strstr(methods, "ssh-ed25519") && strlen(methods) < sizeof(methods) - 1);
	HOLDS(known_hosts_judge(&k, &s, "host", key, sizeof(key) - 1, NULL, false, NULL, &err) <= 0);
	known_hosts_release(&k);
}

static void config(const char *text)
{
	struct link_target t = {.host = "host"};
	struct ssh_settings *s = calloc(1, sizeof(*s));
	struct err err;

	HOLDS(s && ssh_config_parse(&t, text, s, &err) == 0);
	HOLDS(s->identities <= SSH_FILES && s->knowns <= SSH_FILES);
	free(s);
}

static void agent(struct view v)
{
	static struct agent_key keys[3];
	unsigned char *sig = NULL, head[5];
	size_t len = 0, i;
	unsigned kind = fuzz_byte(&v);
	int pair[2];

	if (v.len > 30000 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return;
	/* Its length right, unless it shall be wrong. */
	len = v.len + 1;
	for (i = 0; i < 4; i++)
		head[i] = (unsigned char)(len >> (24 - 8 * i));
	head[4] = kind & 1 ? 14 : 12;
	if (!(kind & 2))
		HOLDS(write(pair[1], head, 5) == 5);
	HOLDS(v.len == 0 || write(pair[1], v.p, v.len) == (ssize_t)v.len);
	shutdown(pair[1], SHUT_WR);
	if (kind & 1) {
		keys[0].len = 20;
		if (agent_sign(pair[0], &keys[0], head, sizeof(head), 2, &sig, &len) == 0)
			free(sig);
	} else {
		HOLDS(agent_keys(pair[0], keys, 3) <= 3);
	}
	close(pair[0]);
	close(pair[1]);
}

static void address(const char *text)
{
	struct dest_spec s, again;
	struct err err;

	if (spec_parse(text, &s, &err) == 0) {
		HOLDS(s.key && s.path && *s.path);
		HOLDS(s.kind == DEST_LOCAL || (s.host && *s.host && *s.host != '-'));
		if (spec_of_key(s.key, &again, &err) == 0) {
			HOLDS(strcmp(again.key, s.key) == 0);
			spec_release(&again);
		}
	}
	spec_release(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view v = view_of(data, size);
	unsigned which = fuzz_byte(&v) % 4;
	char *text = fuzz_text(v);

	if (which == 0)
		known_hosts(text);
	else if (which == 1)
		config(text);
	else if (which == 2)
		agent(v);
	else
		address(text);
	free(text);
	return 0;
}
