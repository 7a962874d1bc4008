# Completion of lb's command line for bash, from `lb help`.
_lb() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} help
    [ "$word" = "=" ] && word=
    [ "$before" = "=" ] && before=${COMP_WORDS[COMP_CWORD - 2]}
    COMPREPLY=()
    case $before in
        --log-format) mapfile -t COMPREPLY < <(compgen -W "text json" -- "$word") && return ;;
        --log-level) mapfile -t COMPREPLY < <(compgen -W "debug info warn error" -- "$word") && return ;;
        --workers) mapfile -t COMPREPLY < <(compgen -W "auto" -- "$word") && return ;;
        --listen | --backend | --drain-timeout | --admin | --wait | --why) return ;;
    esac
    if [[ $word == -* ]]; then
        help=$("${COMP_WORDS[0]}" help 2>/dev/null | grep -oE '^  (-h, )?--[a-z-]+(, --[a-z-]+)?' | tr -d ,)
        mapfile -t COMPREPLY < <(compgen -W "$help" -- "$word")
        return
    fi
    if [ "$COMP_CWORD" -gt 1 ] && [ "${COMP_WORDS[1]}" = decisions ]; then
        mapfile -t COMPREPLY < <(compgen -W "last= backend= status= slower_ms= retried=1 wrong=1" -- "$word")
        compopt -o nospace 2>/dev/null
        return
    fi
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
    if [ "$COMP_CWORD" = 1 ]; then
        help=$("${COMP_WORDS[0]}" help 2>/dev/null | sed -n 's/^  lb \([a-z][a-z]*\)\>.*/\1/p')
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$help help" -- "$word")
    fi
}
complete -o filenames -F _lb lb
