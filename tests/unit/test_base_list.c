/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows the intrusive list: order of insertion, removal while walking, removal twice.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/list.h"

struct item {
	int number;
	struct list link;
};

static void assert_numbers(const struct list *head, const int *numbers, size_t count)
{
	size_t i = 0;

	list_for_each(at, head) {
		assert_true(i < count);
		assert_int_equal(list_entry(at, struct item, link)->number, numbers[i]);
		assert_ptr_equal(at->next->prev, at);
		i++;
	}
	assert_int_equal(i, count);
}

static void items_stand_where_they_were_put(void **state)
{
	struct list head = LIST_INIT(head);
	struct item items[] = { { .number = 0 }, { .number = 1 }, { .number = 2 }, { .number = 3 } };

	(void)state;
	assert_true(list_empty(&head));
	list_push_tail(&head, &items[1].link);
	list_push_tail(&head, &items[3].link);
	list_push_head(&head, &items[0].link);
	list_insert_before(&items[3].link, &items[2].link);
	assert_false(list_empty(&head));
	assert_numbers(&head, (const int[]){ 0, 1, 2, 3 }, 4);
}

static void items_may_go_while_the_list_is_walked(void **state)
{
	struct list head = LIST_INIT(head);
	struct item items[6];

	(void)state;
	for (int i = 0; i < 6; i++) {
		items[i].number = i;
		list_push_tail(&head, &items[i].link);
	}
	list_for_each_safe(at, &head) {
		if (list_entry(at, struct item, link)->number % 2 == 0) {
			list_remove(at);
			list_remove(at); /* harmless */
			assert_true(list_empty(at));
		}
	}
	assert_numbers(&head, (const int[]){ 1, 3, 5 }, 3);
	list_for_each_safe(at, &head) {
		list_remove(at);
	}
	assert_true(list_empty(&head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_stand_where_they_were_put),
		cmocka_unit_test(items_may_go_while_the_list_is_walked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
