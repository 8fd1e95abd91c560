#!/bin/sh
# Runs inject.c under strace, which has system calls fail: nothing may be lost, nothing may spin,
# and what cannot be made leaves nothing behind.
# From the project's root, after make build:  sh bindings/c/inject.sh
src=bindings/c
out=target/c
lib=target/release
log=$out/inject.strace
count=2000
passed=0
failed=0

not_found() {
    echo "not found: $1 (apt install $1)"
    exit 3
}

# verdict NAME REASON: the test has passed when there is no reason why not.
verdict() {
    if [ -z "$2" ]; then
        echo "ok $1"
        passed=$((passed + 1))
    else
        echo "FAIL $1: $2"
        failed=$((failed + 1))
    fi
}

# calls CALL: how many the program made.
calls() {
    grep -c "$1(" "$log"
}

injected() {
    grep -c 'INJECTED' "$log"
}

# under CALL ERROR WHEN ARGUMENT...: runs the program while such calls fail, all of them logged.
under() {
    call=$1
    injection=$1:error=$2:when=$3
    shift 3
    timeout 30 strace -f -qq -o "$log" -e "trace=$call" -e "inject=$injection" $out/inject "$@" 2>&1
}

# carries WHO CALL ERROR WHEN [ARGUMENT]: traffic while some calls fail. Each call moves a datagram
# at least, or is made again after a failure; whoever spins makes more.
carries() {
    name="$*"
    who=$1
    shift
    reason=$(under "$1" "$2" "$3" "$who" $count $4) || reason="ended with status $?: $reason"
    [ -n "$reason" ] || [ "$(injected)" -gt 0 ] || reason="was never injected"
    most=$((count + 2 * $(injected)))
    [ -n "$reason" ] || [ "$(calls "$1")" -le $most ] || reason="$(calls "$1") calls"
    verdict "$name" "$reason"
}

# pipes CALLS ERROR WHEN WHICH: messages by a named pipe, or to nobody, while some calls fail. A
# long message takes as many calls as its reader lets it.
pipes() {
    name="pipe $*"
    what="pipe $count $4"
    [ "$4" != nobody ] || what=nobody
    reason=$(under "$1" "$2" "$3" $what) || reason="ended with status $?: $reason"
    [ -n "$reason" ] || [ "$(injected)" -gt 0 ] || reason="was never injected"
    most=$((100 * count + 2 * $(injected)))
    all=$(grep -c '(' "$log")
    [ -n "$reason" ] || [ "$all" -le $most ] || reason="$all calls"
    verdict "$name" "$reason"
}

# refuses WHAT CALL ERROR [FIRST]: the first such call fails, then the next alone, until none is
# left. FIRST: the first that is not the program's own.
refuses() {
    what=$1
    shift
    first=${3:-1}
    nth=$first
    reason=
    while [ $nth -le 40 ] && [ -z "$reason" ]; do
        answer=$(under "$1" "$2" $nth "$what") || reason="call $nth: $answer"
        [ "$(injected)" -gt 0 ] || break
        case $answer in
            refused*) nth=$((nth + 1)) ;;
            *) reason="${reason:-call $nth failed, and yet: $answer}" ;;
        esac
    done
    [ -n "$reason" ] || [ $nth -gt $first ] || reason="was never injected"
    verdict "$what $1 $2, each of $((nth - first)) calls" "$reason"
}

command -v strace >/dev/null || not_found strace
command -v gcc >/dev/null || not_found gcc
mkdir -p $out
gcc -std=c11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Wpedantic -Werror \
    $src/inject.c $src/support.c $src/peers.c $src/loops.c $src/queues.c $src/pipes.c \
    -o $out/inject -L$lib -lpyhelpers -Wl,-rpath,"$PWD/$lib" -pthread || exit 1
strace -f -qq -o "$log" true 2>/dev/null || {
    echo "not found: permission to trace (strace needs ptrace)"
    exit 3
}

for error in ENOBUFS EAGAIN EINTR ENOMEM; do
    carries traffic sendmmsg $error 1+3
    carries traffic sendmmsg $error 2..30
done
for error in EINTR EAGAIN; do
    carries traffic recvmmsg $error 1+3
    carries traffic recvmmsg $error 2..30
done
carries traffic epoll_wait EINTR 1+2
carries traffic epoll_wait EINTR 1..30
carries traffic poll EINTR 1+2

# A peer's caller has to ask again, after a pause.
count=200
for call in sendmmsg sendto; do
    for error in ENOBUFS EAGAIN EINTR ENOMEM; do carries peer $call $error 1+3; done
done
for call in recvmmsg recvfrom; do
    for error in EINTR EAGAIN; do carries peer $call $error 1+3; done
done

# A loop's message is sent by one call, and received by one.
count=400
for call in sendto recvfrom accept4; do carries loop $call EINTR 1+3 epoll; done
for error in ENOBUFS ENOMEM; do carries loop sendto $error 1+20 epoll; done
for error in ECONNABORTED EMFILE ENOMEM; do carries loop accept4 $error 1+2 epoll; done
carries loop epoll_pwait2 EINTR 1+2 epoll
carries loop epoll_pwait2 ENOSYS 1 epoll
carries loop epoll_pwait2 EPERM 1 epoll
carries loop ppoll EINTR 1+2 poll
carries loop pselect6 EINTR 1+2 select
for call in eventfd2 epoll_create1 timerfd_create socket bind listen; do
    refuses listener $call EMFILE
done

# A feed receives each datagram by one call, and finds by another that it was the last.
count=200
for error in EINTR EAGAIN; do carries feed recvmmsg $error 1+3; done
carries feed poll EINTR 1+2

# A kernel that knows no way to write without SIGPIPE is asked once; packet by packet is its right.
count=150
for error in EINTR EAGAIN; do
    pipes pwritev2,writev $error 1+3 whole
    pipes pwritev2,writev $error 1..30 whole
    pipes readv $error 1+3 whole
    pipes readv $error 2..30 whole
done
for error in ENOSYS EOPNOTSUPP EPERM; do
    pipes pwritev2 $error 1 parts
    pipes pwritev2 $error 1 nobody
done
pipes poll EINTR 1+2 whole
pipes fcntl EAGAIN 9+7 whole
pipes inotify_init1 EMFILE 1 whole
for error in ENOSPC EACCES; do refuses fifo mknodat $error; done
for call in eventfd2 epoll_create1 timerfd_create; do refuses fifo $call EMFILE; done
refuses fifo epoll_ctl ENOSPC
refuses queue eventfd2 EMFILE 2
refuses queue clone3 EAGAIN

for call in eventfd2 epoll_create1 fcntl; do refuses new $call EMFILE; done
refuses new socket EMFILE 2
refuses new epoll_ctl ENOSPC
refuses new clone3 EAGAIN
refuses beacon clone3 EAGAIN

echo "$passed passed, $failed failed"
[ $failed = 0 ]
