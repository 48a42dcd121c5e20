/* What files hold is handed from who may read them to who may not. */
#include "core/digest.h"
#include "core/secrets.h"

#include "tests/unit/config_file.h"

#include <sys/mman.h>

static void reads_a_file_once(void **state)
{
	(void)state;
	struct secrets *secrets = secrets_new();
	struct error error;
	const char *text, *again;
	size_t length;
	write_file(in_directory("password"), "first", 0600);
	assert_int_equal(secrets_get(secrets, in_directory("password"), 5, &text, &length, &error), 0);
	assert_int_equal(length, 5);
	assert_string_equal(text, "first");
	write_file(in_directory("password"), "other", 0600);
	assert_int_equal(secrets_get(secrets, in_directory("password"), 5, &again, &length, &error), 0);
	assert_ptr_equal(again, text);
	secrets_wipe(secrets);
	assert_int_equal(secrets_get(secrets, in_directory("password"), 4, &text, &length, &error), -EFBIG);
	assert_int_equal(secrets_get(secrets, in_directory("none"), 4, &text, &length, &error), -ENOENT);
	assert_non_null(strstr(error.text, "none cannot be read: No such file"));
	secrets_free(secrets);
	secrets_free(NULL);
}

static void are_handed_over(void **state)
{
	(void)state;
	struct secrets *from = secrets_new(), *to;
	struct error error;
	const char *text;
	size_t length;
	int memfd = memfd_create("test", MFD_CLOEXEC);
	write_file(in_directory("password"), "a secret of some length", 0600);
	write_file(in_directory("own.so"), "", 0600);
	assert_int_equal(secrets_get(from, in_directory("password"), 100, &text, &length, &error), 0);
	assert_int_equal(secrets_get(from, in_directory("own.so"), 100, &text, &length, &error), 0);
	assert_int_equal(secrets_write(from, memfd), 0);
	secrets_wipe(from);
	for (int i = 0; i < 2; i++) { /* whoever reads takes nothing away */
		assert_int_equal(secrets_read(&to, memfd), 0);
		assert_true(secrets_are_handed_over(to));
		assert_int_equal(secrets_get(to, in_directory("password"), 1, &text, &length, &error), 0);
		assert_int_equal(length, strlen("a secret of some length"));
		assert_string_equal(text, "a secret of some length");
		assert_int_equal(secrets_get(to, in_directory("own.so"), 1, &text, &length, &error), 0);
		assert_int_equal(length, 0);
		assert_int_equal(secrets_get(to, file, 100, &text, &length, &error), -ENOENT); /* no file is read */
		secrets_free(to);
	}
	assert_int_equal(secrets_write(from, memfd), 0); /* nothing, now */
	assert_int_equal(secrets_read(&to, memfd), 0);
	assert_int_equal(secrets_get(to, in_directory("password"), 100, &text, &length, &error), -ENOENT);
	secrets_free(to);
	assert_int_equal(ftruncate(memfd, 0), 0);
	assert_int_equal(pwrite(memfd, "\3\0\0\0\3\0\0\0abc", 11, 0), 11); /* cut short */
	assert_int_equal(secrets_read(&to, memfd), -EIO);
	secrets_free(from);
	assert_int_equal(close(memfd), 0);
}

static void digests_are_known_ones(void **state)
{
	(void)state;
	static const unsigned char abc[DIGEST_SIZE] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
		0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61,
		0xf2, 0x00, 0x15, 0xad};
	struct digest digest = digest_of("abc", 3), other = digest_of("abd", 3);
	assert_memory_equal(digest.bytes, abc, sizeof abc);
	assert_true(digest_equal(&digest, &digest));
	assert_false(digest_equal(&digest, &other));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(reads_a_file_once),
		TEST(are_handed_over),
		TEST(digests_are_known_ones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
