/* The API's pure decisions about strangers: who may call, how often, what has changed, what is compressed. */
#include "api/guard.h"
#include "api/squeeze.h"
#include "api/tag.h"
#include "api/throttle.h"
#include "core/clock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void only_this_machine_without_tokens(void **state)
{
	(void)state;
	struct guard_question question = {.loopback = true, .host = "localhost:1"};
	assert_null(guard_refuses(&question));
	question.host = "evil.example";
	assert_non_null(guard_refuses(&question));
	question.tokens = true;
	assert_null(guard_refuses(&question));
	question.loopback = false;
	assert_null(guard_refuses(&question));
	question.tokens = false;
	question.host = "localhost";
	assert_non_null(guard_refuses(&question));
	question.unix_socket = true;
	assert_null(guard_refuses(&question));
}

static void other_sites_pages_change_nothing(void **state)
{
	(void)state;
	struct guard_question question = {
		.loopback = true, .host = "localhost", .changes = true, .origin = "http://localhost"};
	assert_null(guard_refuses(&question));
	question.origin = "http://localhost.evil.example";
	assert_non_null(guard_refuses(&question));
	question.fetch_site = "cross-site";
	assert_non_null(guard_refuses(&question));
	question.listed = true;
	assert_null(guard_refuses(&question));
	question = (struct guard_question){.loopback = true, .host = "localhost", .origin = "https://evil.example"};
	assert_null(guard_refuses(&question));
}

static uint64_t key_of(const char *text)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return throttle_key((struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return throttle_key((struct sockaddr *)&v6);
}

static void addresses_are_told_apart(void **state)
{
	(void)state;
	const struct sockaddr local = {.sa_family = AF_UNIX};
	assert_int_equal(throttle_key(&local), 0);
	assert_int_equal(throttle_key(NULL), 0);
	assert_int_not_equal(key_of("0.0.0.0"), 0);
	assert_int_not_equal(key_of("::1"), 0);
	assert_true(key_of("127.0.0.1") != key_of("127.0.0.2"));
	assert_true(key_of("::ffff:127.0.0.1") == key_of("127.0.0.1"));
	assert_true(key_of("2001:db8:1:2::1") == key_of("2001:db8:1:2:ffff::7"));
	assert_true(key_of("2001:db8:1:2::1") != key_of("2001:db8:1:3::1"));
}

static void a_bucket_fills_steadily(void **state)
{
	(void)state;
	static struct throttle throttle;
	int64_t now = 5 * CLOCK_NS_PER_S;
	for (int i = 0; i < 10; i++)
		assert_int_equal(throttle_take(&throttle, 1, 10, now), 0);
	assert_int_equal(throttle_take(&throttle, 1, 10, now), 1);
	assert_int_equal(throttle_take(&throttle, 2, 10, now), 0); /* another address */
	now += CLOCK_NS_PER_S / 10 + 1;
	assert_int_equal(throttle_take(&throttle, 1, 10, now), 0);
	assert_int_equal(throttle_take(&throttle, 1, 10, now), 1);
	now += 3600 * CLOCK_NS_PER_S; /* it holds a second's, not an hour's */
	for (int i = 0; i < 10; i++)
		assert_int_equal(throttle_take(&throttle, 1, 10, now), 0);
	assert_int_equal(throttle_take(&throttle, 1, 10, now), 1);
	for (uint64_t key = 1000; key < 200000; key++) /* far more than it holds */
		assert_int_equal(throttle_take(&throttle, key, 1, now), 0);
}

static void ages_do_not_change_a_tag(void **state)
{
	(void)state;
	static const char first[] = "{\"a\":1,\"uptime_seconds\":12.5,\"task\":null,\"rss_bytes\":7}";
	static const char later[] = "{\"a\":1,\"uptime_seconds\":99,\"task\":null,\"rss_bytes\":8888}";
	static const char other[] = "{\"a\":2,\"uptime_seconds\":12.5,\"task\":null,\"rss_bytes\":7}";
	static const char said_a[] = "{\"a\":\"\\\"rss_bytes\\\":7\"}", said_b[] = "{\"a\":\"\\\"rss_bytes\\\":8\"}";
	char one[TAG_MAX], two[TAG_MAX];
	tag_of(first, strlen(first), one);
	tag_of(later, strlen(later), two);
	assert_string_equal(one, two);
	tag_of(other, strlen(other), two);
	assert_string_not_equal(one, two);
	tag_of(said_a, strlen(said_a), one);
	tag_of(said_b, strlen(said_b), two);
	assert_string_not_equal(one, two);
	assert_true(tag_is_named("*", one));
	assert_true(tag_is_named(one, one));
	assert_true(tag_is_named(one + 2, one));
	assert_false(tag_is_named(two, one));
	assert_false(tag_is_named(NULL, one));
}

static void who_takes_gzip(void **state)
{
	(void)state;
	static const char *const yes[] = {
		"gzip", "GZIP", "br, gzip", "br,gzip;q=0.1", "gzip ; q=1", "*", "x-gzip", "gzip;q=0.001"};
	static const char *const no[] = {"", "br", "gzip;q=0", "gzip;q=0.000", "gzipped", "identity", " , ,", "*;q=0"};
	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
		assert_true(squeeze_is_accepted(yes[i]));
	for (size_t i = 0; i < sizeof no / sizeof *no; i++)
		assert_false(squeeze_is_accepted(no[i]));
	assert_false(squeeze_is_accepted(NULL));
}

static void what_is_squeezed_comes_out_again(void **state)
{
	(void)state;
	static char text[100000], again[sizeof text];
	size_t length;
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (char)("muster "[i % 7]);
	char *squeezed = squeeze(text, sizeof text, &length);
	assert_non_null(squeezed);
	assert_true(length < sizeof text / 50);
	z_stream stream = {.next_in = (Bytef *)squeezed,
		.avail_in = (uInt)length,
		.next_out = (Bytef *)again,
		.avail_out = sizeof again};
	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	assert_int_equal(inflateEnd(&stream), Z_OK);
	assert_memory_equal(again, text, sizeof text);
	free(squeezed);
	assert_null(squeeze("ab", 2, &length)); /* it would become more */
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_this_machine_without_tokens),
		cmocka_unit_test(other_sites_pages_change_nothing),
		cmocka_unit_test(addresses_are_told_apart),
		cmocka_unit_test(a_bucket_fills_steadily),
		cmocka_unit_test(ages_do_not_change_a_tag),
		cmocka_unit_test(who_takes_gzip),
		cmocka_unit_test(what_is_squeezed_comes_out_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
