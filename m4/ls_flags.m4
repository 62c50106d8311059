# SPDX-License-Identifier: GPL-2.0-or-later
#
# LS_APPEND_CFLAG(VARIABLE, FLAG...)
# Appends to VARIABLE each flag that the compiler takes. The probe runs with -Werror because clang only warns about a flag
# it does not know, and would then warn again on every file.
AC_DEFUN([LS_APPEND_CFLAG], [
	m4_foreach_w([ls_flag], [$2], [
		AS_VAR_PUSHDEF([ls_cache], [ls_cv_cflag_]ls_flag)dnl
		AC_CACHE_CHECK([whether $CC takes ]ls_flag, [ls_cache], [
			ls_save_CFLAGS="$CFLAGS"
			CFLAGS="$CFLAGS -Werror ls_flag"
			AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
				[AS_VAR_SET([ls_cache], [yes])],
				[AS_VAR_SET([ls_cache], [no])])
			CFLAGS="$ls_save_CFLAGS"
		])
		AS_VAR_IF([ls_cache], [yes], [$1="$$1 ls_flag"])
		AS_VAR_POPDEF([ls_cache])dnl
	])
])
