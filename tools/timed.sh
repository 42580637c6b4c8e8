#!/bin/sh
# timed.sh VERB...: make one verb after the other and print, whatever happens,
# what took how long. The first verb that fails ends it.

times=
started=$(date +%s)
finish() {
    [ -n "$times" ] && printf '\nwhat took how long\n%s' "$times"
    printf '%6d s  in all\n' $(( $(date +%s) - started ))
}
for verb in "$@"; do
    start=$(date +%s)
    ${MAKE:-make} --no-print-directory "$verb"
    code=$?
    took=$(( $(date +%s) - start ))
    mark=
    [ $code -eq 0 ] || mark='  FAILED'
    times="$times$(printf '%6d s  make %s%s' $took "$verb" "$mark")
"
    if [ $code -ne 0 ]; then
        finish
        exit $code
    fi
done
finish
