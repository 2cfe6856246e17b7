/* completion: a bash script with the words and flags of the table in it. */
#include "help.h"
#include "runs.h"

#include <string.h>

static bool print_word(void *ctx, const struct flag_view *f)
{
    fprintf(ctx, " --%s", f->name);
    return true;
}

void help_bash(FILE *out)
{
    size_t n;
    const struct command *all = commands(&n);
    fputs("# bash completion for meridian, made by `meridian completion bash`\n"
          "_meridian() {\n"
          "    local current=${COMP_WORDS[COMP_CWORD]} typed=\"\" word i\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        word=${COMP_WORDS[i]}\n"
          "        [[ $word == -* ]] || typed+=\"${typed:+ }$word\"\n"
          "    done\n"
          "    local words=\"\" flags=\"--db --json --help\"\n"
          "    case $typed in\n",
          out);
    /* Longest words first, so that "map rule add" is not taken for "map". */
    for (size_t depth = 3; depth > 0; depth--)
        for (size_t i = 0; i < n; i++) {
            size_t blanks = 0;
            for (const char *p = all[i].words; *p; p++)
                blanks += *p == ' ';
            if (blanks + 1 != depth)
                continue;
            fprintf(out, "    \"%s\"*) flags+=\"", all[i].words);
            command_flags_each(&all[i], print_word, out);
            fputs("\" ;;\n", out);
        }
    fputs("    esac\n"
          "    local all=\"",
          out);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%s%s", i ? "|" : "", all[i].words);
    fputs("\"\n"
          "    local IFS='|' row rest\n"
          "    for row in $all; do\n"
          "        if [[ -z $typed ]]; then rest=$row\n"
          "        elif [[ $row == \"$typed \"* ]]; then rest=${row#\"$typed \"}\n"
          "        else continue; fi\n"
          "        words+=\"${rest%% *} \"\n"
          "    done\n"
          "    IFS=$' \\n'\n"
          "    if [[ $current == -* ]]; then COMPREPLY=($(compgen -W \"$flags\" -- \"$current\"))\n"
          "    elif [[ -n $words ]]; then COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
          "    else COMPREPLY=($(compgen -f -- \"$current\")); fi\n"
          "}\n"
          "complete -o filenames -F _meridian meridian\n",
          out);
}

int run_completion(struct call *c)
{
    if (strcmp(call_arg(c, 0), "bash") != 0) {
        fprintf(stderr, "meridian: completion is there for bash, not for \"%.32s\"\n",
                call_arg(c, 0));
        return ADMIN_USAGE;
    }
    help_bash(stdout);
    return ADMIN_DONE;
}
