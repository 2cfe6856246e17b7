/* help: texts made from the command table. */
#pragma once

#include "command.h"
#include <stdio.h>

void help_summary(FILE *out);                          /* every command, one line each */
void help_command(FILE *out, const struct command *c); /* usage, flags, example */
void help_markdown(FILE *out);                         /* docs/cli.md */
void help_bash(FILE *out);                             /* completion script */
/* The command whose words the arguments are, or NULL; *noun is set when they begin some. */
const struct command *help_find(const char *const *arg, size_t n, bool *noun);
/* The commands that begin with these words. */
void help_noun(FILE *out, const char *const *arg, size_t n);
