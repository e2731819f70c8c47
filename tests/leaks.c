/* Linked into the client where there are sanitizers: leaks inside of libcrypto
 * by way of libssh2 (ECDSA keys, 1.10) are not ours: we never call it.  Neither
 * a file nor by function, since a confined client can read neither the one nor
 * the other's symbols. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:libcrypto.so\n";
}
