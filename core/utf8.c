#include "core/utf8.h"

/* What a first byte says: how many bytes follow it, its own bits of the character, and the smallest character that
 * needs so many bytes. */
struct lead {
	size_t following;
	uint32_t bits;
	uint32_t minimum;
};

static bool read_lead(unsigned char byte, struct lead *ret_lead)
{
	if (byte < 0x80)
		*ret_lead = (struct lead){0, byte, 0};
	else if ((byte & 0xe0) == 0xc0)
		*ret_lead = (struct lead){1, byte & 0x1f, 0x80};
	else if ((byte & 0xf0) == 0xe0)
		*ret_lead = (struct lead){2, byte & 0x0f, 0x800};
	else if ((byte & 0xf8) == 0xf0)
		*ret_lead = (struct lead){3, byte & 0x07, 0x10000};
	else
		return false;
	return true;
}

size_t utf8_decode(const char *bytes, size_t length, uint32_t *ret_point)
{
	struct lead lead;
	if (length == 0 || !read_lead((unsigned char)bytes[0], &lead) || lead.following >= length)
		return 0;
	uint32_t point = lead.bits;
	for (size_t i = 1; i <= lead.following; i++) {
		unsigned char byte = (unsigned char)bytes[i];
		if ((byte & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (byte & 0x3f);
	}
	if (point < lead.minimum || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return 0;
	*ret_point = point;
	return lead.following + 1;
}

bool utf8_is_unprintable(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point <= 0x9f) || (point >= 0x2028 && point <= 0x202e) ||
	       (point >= 0x2066 && point <= 0x2069);
}
