/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep lvb: a lock value block is read under a lock in mode NL, which excludes nobody and is granted
 * at once, and written under EX through a session of its own. The value lives as long as somebody has
 * a lock on the resource, so a value that nobody would keep is not written.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "tools/lockstep.h"

#define SET_WAIT_MS 10000

enum { OPTION_HEX = OPTION_VERB, OPTION_RAW, OPTION_INVALID };

struct lvb {
	struct cli *cli;
	const struct verb *verb;
	bool set;
	bool hex;
	bool raw;
	bool invalid; /* set: mark it so */
	int wait_ms;
	uint8_t name[LOCKSTEP_NAME_MAX];
	size_t name_len;
	char name_text[NAME_TEXT_MAX];
	const char *value;
	uint8_t bytes[LOCKSTEP_LVB_MAX];
	size_t length;
	struct lockstep_session *session;
	struct lockstep_lksb lksb;
};

/* --- bytes ------------------------------------------------------------------------------- */

static int nibble(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Two digits a byte; blanks and colons between bytes are allowed. */
static int hex_parse(const char *text, uint8_t *ret, size_t max, size_t *ret_length)
{
	size_t length = 0;

	while (*text) {
		if (*text == ' ' || *text == ':') {
			text++;
			continue;
		}
		int high = nibble(text[0]), low = high < 0 ? -1 : nibble(text[1]);

		if (low < 0) {
			return -EINVAL;
		}
		if (length == max) {
			return -EMSGSIZE;
		}
		ret[length++] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	*ret_length = length;
	return 0;
}

static void hex_print(const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		(void)printf("%02x", bytes[i]);
	}
}

/* --- sessions ---------------------------------------------------------------------------- */

static int session_open(struct lvb *v)
{
	int error = lockstep_open(v->cli->space, 0, &v->cli->options, &v->session);

	if (error) {
		return list_failed(v->cli, error);
	}
	v->length = (size_t)lockstep_lvb_length(v->session);
	return EXIT_OK;
}

static int lock_take(struct lvb *v, int mode)
{
	progress_begin("waiting for \"%s\" in mode %s (see lockstep explain)", v->name_text,
		       lockstep_mode_name(mode));
	int error = lockstep_lock_wait(v->session, mode, &v->lksb, LOCKSTEP_LKF_VALBLK, v->name,
				       v->name_len, NULL, NULL, v->wait_ms);

	progress_end();
	if (error == -ETIMEDOUT) {
		complain("\"%s\" is held by others and was not given up in time (see lockstep "
			 "explain, or use --wait)",
			 v->name_text);
		return EXIT_NOT_ACQUIRED;
	}
	return error ? fail(error, "lock \"%s\"", v->name_text) : EXIT_OK;
}

/* How many locks the resource has beside our own. */
static int others_count(struct lvb *v, size_t *ret)
{
	struct lockstep_admin *a;
	struct lock_list list = { 0 };
	int code = admin_open(v->cli, &a);

	if (code) {
		return code;
	}
	int error = lockstep_admin_locks(a, v->cli->space, v->name, v->name_len, lock_list_add,
					 &list);

	lockstep_admin_close(a);
	*ret = list.count - (list.count > 0 && v->lksb.lkid != 0);
	lock_list_done(&list);
	return error ? list_failed(v->cli, error) : EXIT_OK;
}

/* --- get --------------------------------------------------------------------------------- */

static int value_print(const struct lvb *v, bool invalid)
{
	char text[ESCAPED_MAX(LOCKSTEP_LVB_MAX)], hex[2 * LOCKSTEP_LVB_MAX + 1];
	size_t used = v->length;

	if (v->cli->json) {
		struct json_object *o = json_object_new_object();

		for (size_t i = 0; i < v->length; i++) {
			(void)snprintf(hex + 2 * i, 3, "%02x", v->bytes[i]);
		}
		hex[2 * v->length] = '\0';
		json_put(o, "name", json_object_new_string(v->name_text));
		json_put(o, "length", json_object_new_int64((int64_t)v->length));
		json_put(o, "hex", json_object_new_string(hex));
		json_put(o, "text",
			 json_object_new_string(bytes_escape(v->bytes, v->length, true, text)));
		json_put(o, "invalid", json_object_new_boolean(invalid));
		return json_print(o);
	}
	if (v->raw) {
		(void)fwrite(v->bytes, 1, v->length, stdout);
		return output_end();
	}
	if (v->hex) {
		hex_print(v->bytes, v->length);
	} else {
		/* What pads a text is no part of it. */
		while (used > 0 && v->bytes[used - 1] == 0) {
			used--;
		}
		(void)printf("%s", bytes_escape(v->bytes, used, true, text));
	}
	(void)printf("\n");
	return output_end();
}

static int lvb_get(struct lvb *v)
{
	size_t others;
	int code = others_count(v, &others);

	if (code) {
		return code;
	}
	if (others == 0) {
		complain("nobody has a lock on \"%s\", so it has no value", v->name_text);
		return EXIT_FAILED;
	}
	code = session_open(v);
	if (code == EXIT_OK) {
		code = lock_take(v, LOCKSTEP_LOCK_NL);
	}
	if (code) {
		return code;
	}
	bool invalid = v->lksb.flags & LOCKSTEP_SBF_VALNOTVALID;

	code = value_print(v, invalid);
	if (invalid) {
		complain("the value of \"%s\" is invalid: its last writer died or said so; whoever "
			 "owns the data has to write it again",
			 v->name_text);
		code = EXIT_FAILED;
	}
	return code;
}

/* --- set --------------------------------------------------------------------------------- */

/* The value into @ret, which is zero. */
static int value_parse(const struct lvb *v, uint8_t *ret, size_t max)
{
	size_t length;
	uint8_t name[LOCKSTEP_NAME_MAX];

	if (v->hex) {
		return hex_parse(v->value, ret, max, &length);
	}
	length = strlen(v->value);
	if (!strchr(v->value, '\\')) {
		if (length > max) {
			return -EMSGSIZE;
		}
		memcpy(ret, v->value, length);
		return 0;
	}
	/* Escapes, in pieces that the parser of names takes. */
	length = 0;
	for (const char *at = v->value; *at;) {
		char piece[5] = { 0 };
		size_t size = *at != '\\' ? 1 : at[1] == 'x' ? 4 : 2, got;

		memcpy(piece, at, strnlen(at, size));
		if (name_parse(piece, name, &got) < 0) {
			return -EINVAL;
		}
		if (length + got > max) {
			return -EMSGSIZE;
		}
		memcpy(ret + length, name, got);
		length += got;
		at += size;
	}
	return 0;
}

static int lvb_write(struct lvb *v)
{
	size_t others;
	int code = others_count(v, &others);

	if (code) {
		return code;
	}
	if (others == 0) {
		complain("nobody else has a lock on \"%s\": the value would be gone at once and was "
			 "not written (hold one in mode NL: lockstep run -m NL %s -- ...)",
			 v->name_text, v->name_text);
		return EXIT_FAILED;
	}
	if (!v->invalid) {
		memset(v->bytes, 0, sizeof(v->bytes));
		(void)value_parse(v, v->bytes, v->length); /* it was tried before */
	}
	int error = lockstep_unlock_wait(v->session, v->lksb.lkid,
					 v->invalid ? LOCKSTEP_LKF_IVVALBLK : LOCKSTEP_LKF_VALBLK,
					 &v->lksb);

	return error ? fail(error, "write the value of \"%s\"", v->name_text) : EXIT_OK;
}

static int lvb_set(struct lvb *v)
{
	int code = session_open(v);

	if (code) {
		return code;
	}
	int error = v->invalid ? 0 : value_parse(v, v->bytes, v->length);

	if (error == -EMSGSIZE) {
		complain("the value is longer than the %zu bytes of lockspace \"%s\"", v->length,
			 v->cli->space);
		return EXIT_FAILED;
	}
	if (error) {
		return usage_error(v->verb, "not a value: %s", v->value);
	}
	code = lock_take(v, LOCKSTEP_LOCK_EX);
	return code ? code : lvb_write(v);
}

/* --- the verb ---------------------------------------------------------------------------- */

static int lvb_option(struct lvb *v, int option)
{
	switch (option) {
	case OPTION_HEX:
		v->hex = true;
		return -1;
	case OPTION_RAW:
		v->raw = true;
		return -1;
	case OPTION_INVALID:
		v->invalid = true;
		return -1;
	case 'w':
		return seconds_parse(optarg, &v->wait_ms) < 0
			       ? usage_error(v->verb, "not a number of seconds: %s", optarg)
			       : -1;
	default:
		return option_common(v->cli, v->verb, option);
	}
}

static int arguments_parse(struct lvb *v, int argc, char **argv)
{
	int left = argc - optind;

	if (left == 0 || (strcmp(argv[optind], "get") != 0 && strcmp(argv[optind], "set") != 0)) {
		return usage_error(v->verb, left == 0 ? "get or set?" : "get or set, not %s",
				   argv[optind]);
	}
	v->set = strcmp(argv[optind], "set") == 0;
	if (left < 2) {
		return usage_error(v->verb, "of which lock? NAME is missing");
	}
	if (name_parse(argv[optind + 1], v->name, &v->name_len) < 0) {
		return usage_error(v->verb, "not a resource name: %s", argv[optind + 1]);
	}
	(void)bytes_escape(v->name, v->name_len, false, v->name_text);
	if (left != 2 + (v->set && !v->invalid)) {
		return usage_error(v->verb, left == 2 ? "which value? VALUE is missing"
						      : "unexpected argument: %s",
				   argv[argc - 1]);
	}
	v->value = v->set ? argv[argc - 1] : NULL;
	if ((v->set && (v->raw || v->cli->json)) || (!v->set && v->invalid) ||
	    v->hex + v->raw + v->cli->json + v->invalid > 1) {
		return usage_error(v->verb, "these options do not go together");
	}
	return -1;
}

int verb_lvb(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_OPTIONS, JSON_OPTION, SPACE_OPTION,
		{ "hex", no_argument, NULL, OPTION_HEX },
		{ "raw", no_argument, NULL, OPTION_RAW },
		{ "invalid", no_argument, NULL, OPTION_INVALID },
		{ "wait", required_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	struct lvb v = { .cli = cli, .verb = verb, .wait_ms = SET_WAIT_MS };
	int option;

	v.lksb.lvb = v.bytes;
	while ((option = getopt_long(argc, argv, "hs:w:", options, NULL)) >= 0) {
		int code = lvb_option(&v, option);

		if (code >= 0) {
			return code;
		}
	}
	int code = arguments_parse(&v, argc, argv);

	if (code < 0) {
		code = v.set ? lvb_set(&v) : lvb_get(&v);
		lockstep_close(v.session);
	}
	return code;
}
