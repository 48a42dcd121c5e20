#include "core/id.h"

#include "core/clock.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { HALF = ID_LENGTH / 2, BITS = 5, POOL_WORDS = 32 };

/* Rises at each id_forget: what was drawn before it is not used any more, by whichever thread. */
static _Atomic unsigned process_age = 1;

/* One for each thread, so that they need no lock; 256 bytes are what getrandom gives whole, whatever signals come. */
static _Thread_local struct {
	unsigned age;
	unsigned left;
	uint64_t words[POOL_WORDS];
} pool;

static uint64_t draw(void)
{
	unsigned age = atomic_load(&process_age);
	if (pool.left == 0 || pool.age != age) {
		_Static_assert(sizeof pool.words <= 256, "getrandom(2) may give less");
		if (getrandom(pool.words, sizeof pool.words, 0) != sizeof pool.words)
			abort(); /* no kernel that we run on is without it, and there is no other way to go on */
		pool.left = POOL_WORDS;
		pool.age = age;
	}
	return pool.words[--pool.left];
}

static void encode(char *text, uint64_t number)
{
	static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	for (int i = HALF; i-- > 0; number >>= BITS)
		text[i] = alphabet[number & 31];
}

void id_generate(char id[ID_LENGTH + 1])
{
	encode(id, (uint64_t)clock_wall_ms());
	encode(id + HALF, draw());
	id[ID_LENGTH] = '\0';
}

void id_forget(void)
{
	atomic_fetch_add(&process_age, 1);
}

double id_chance(void)
{
	return (double)(draw() >> 11) / (double)(UINT64_C(1) << 53);
}

bool id_is_valid(const char *id, size_t length)
{
	static const char allowed[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-";
	if (length < 1 || length > ID_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
		if (!memchr(allowed, id[i], sizeof allowed - 1))
			return false;
	return true;
}
