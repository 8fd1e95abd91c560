#!/bin/sh
# Compiles and runs the C tests: as they are, under sanitizers, and the header as C++ sees it.
# From the project's root, after make build:
#   sh bindings/c/run.sh [part of a test's name]
# Ends with status 3, and the tool's name, when one that it needs is not there.
src=bindings/c
out=target/c
lib=target/release
warnings="-Wall -Wextra -Wpedantic -Werror"
link="-L$lib -lpyhelpers -Wl,-rpath,$PWD/$lib -pthread"
sanitizers="-O0 -fsanitize=address,undefined -fno-sanitize-recover=all"
missing=
status=0

lacks() {
    missing="not found: $1 (apt install $2)"
}

compile() {
    gcc -std=c11 -D_GNU_SOURCE -O1 -g $warnings "$@" \
        $src/test_*.c $src/support.c $src/peers.c $src/loops.c $src/queues.c $src/pipes.c \
        $src/process.c $src/faults.c $link
}

as_it_is() {
    echo "--- as it is"
    compile -o $out/test_udph && $out/test_udph "$@"
}

under_sanitizers() {
    echo "--- under AddressSanitizer and UndefinedBehaviorSanitizer"
    compile $sanitizers -o $out/test_udph_asan &&
        ASAN_OPTIONS=exitcode=23:detect_leaks=1 $out/test_udph_asan "$@"
}

# Most tests wait for something most of the time.
side_by_side() {
    under_sanitizers "$@" > $out/asan.log 2>&1 &
    as_it_is "$@" || status=1
    wait $! || status=1
    cat $out/asan.log
}

in_cpp() {
    echo "--- in C++"
    g++ -std=c++17 -O1 -g $warnings $src/test_cpp.cpp -o $out/test_cpp $link &&
        $out/test_cpp || status=1
}

has_sanitizers() {
    echo 'int main(void) { return 0; }' | gcc -x c $sanitizers -o $out/probe - 2>/dev/null
}

mkdir -p $out
if command -v gcc >/dev/null; then
    if has_sanitizers; then
        side_by_side "$@"
    else
        as_it_is "$@" || status=1
        lacks libasan "libasan8 libubsan1"
    fi
else
    lacks gcc gcc
fi
if command -v g++ >/dev/null; then in_cpp; else lacks g++ g++; fi

[ $status = 0 ] || exit $status
[ -z "$missing" ] || { echo "$missing"; exit 3; }
