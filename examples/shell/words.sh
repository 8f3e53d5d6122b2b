#!/bin/sh
# Tells long sentences from short ones. POSIX sh, nothing else.
set -eu

threshold=5
echo '{"isolde": "ready"}'

n=0
total=$((${ISOLDE_WARM_UP:-0} + ${ISOLDE_INFERENCES:-20}))
while [ "$n" -lt "$total" ]; do
    input=$((n % 3))
    case $input in
    0) sentence='the light is red' ;;
    1) sentence='a person with a dog crosses the road' ;;
    2) sentence='nothing ahead' ;;
    esac
    # Some work, so that one inference takes longer than telling it.
    round=0
    while [ "$round" -lt 500 ]; do
        # shellcheck disable=SC2086 # it is cut into words on purpose
        set -- $sentence
        round=$((round + 1))
    done
    if [ "$#" -gt "$threshold" ]; then label=long; else label=short; fi
    echo "{\"isolde\": \"inference\", \"input\": $input, \"output\": {\"label\": \"$label\", \"words\": $#}}"
    n=$((n + 1))
done
