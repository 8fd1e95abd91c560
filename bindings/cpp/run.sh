#!/bin/sh
# Compiles and runs the C++ tests, in C++17 and in C++20 under sanitizers, with a part that is built
# without exceptions; and the examples. From the project's root, after cargo build --release:
#   sh bindings/cpp/run.sh [part of a test's name]
# Ends with status 3, and the tool's name, when one that it needs is not there.
src=bindings/cpp
out=target/cpp
warnings="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror"
link="-L$out -lpyhelpers -Wl,-rpath,$PWD/$out -pthread"
sanitizers="-fsanitize=address,undefined -fno-sanitize-recover=all"
shared="$out/test_no_exceptions.o $out/check.o $out/test_alone.o"
missing=
status=0

lacks() {
    missing="not found: $1 (apt install $2)"
}

compile() {
    g++ -I$out -Iinclude $warnings "$@" $link
}

# What all tests need is compiled once: objects, and the header for C++17 (in a .gch, which g++
# prefers to the header).
share() {
    compile -c -std=c++17 $src/check.cpp -o $out/check.o &&
        compile -c -std=c++17 $src/test_alone.cpp -o $out/test_alone.o &&
        compile -c -std=c++17 -fno-exceptions $src/test_no_exceptions.cpp \
            -o $out/test_no_exceptions.o &&
        compile -c -std=c++17 -x c++-header include/pyhelpers.hpp -o $out/pyhelpers.hpp.gch
}

as_it_is() {
    echo "--- C++17"
    compile -std=c++17 $shared $src/test_all.cpp -o $out/test && $out/test "$@"
}

under_sanitizers() {
    echo "--- C++20, under AddressSanitizer and UndefinedBehaviorSanitizer"
    # Of an inline function the first one stays: here those with sanitizers, above those without
    # exceptions.
    compile -std=c++20 -g1 $sanitizers $src/test_all.cpp $shared -o $out/test_asan &&
        ASAN_OPTIONS=exitcode=23:detect_leaks=1 $out/test_asan "$@"
}

# What an example prints stands in its first lines. One that lacks a library ends with 3.
prints_what_it_says() {
    sed -n 's|^//     ||p' $src/examples/$1.cpp >$out/$1.expected
    compile -std=c++17 $src/examples/$1.cpp -o $out/$1 || return 1
    timeout 30 $out/$1 >$out/$1.printed
    ended=$?
    [ $ended = 3 ] && return 3
    [ $ended = 0 ] && diff $out/$1.expected $out/$1.printed
}

examples() {
    echo "--- examples"
    passed=0 failed=0
    for example in $src/examples/*.cpp; do
        name=$(basename $example .cpp)
        prints_what_it_says $name
        case $? in
        0) passed=$((passed + 1)) verdict=ok ;;
        3) verdict=skipped && lacks $name ${name}0 ;;
        *) failed=$((failed + 1)) verdict=FAIL ;;
        esac
        echo "$verdict $name"
    done
    echo "$passed passed, $failed failed"
    [ $failed = 0 ]
}

without_a_code() {
    echo "--- without exceptions, nor a std::error_code"
    ! compile -c -std=c++17 -fno-exceptions -DWITHOUT_A_CODE $src/test_no_exceptions.cpp \
        -o $out/none.o 2>$out/none.log &&
        grep -q "without exceptions a call needs a std::error_code" $out/none.log &&
        echo "1 passed, 0 failed" || { echo "0 passed, 1 failed" && return 1; }
}

# Compiling is most of it: two at a time.
two_at_a_time() {
    { without_a_code && under_sanitizers "$@"; } >$out/asan.log 2>&1 &
    as_it_is "$@" || status=1
    examples || status=1
    wait $! || status=1
    cat $out/asan.log
}

has_sanitizers() {
    echo 'int main() { return 0; }' | g++ -x c++ $sanitizers -o $out/probe - 2>/dev/null
}

mkdir -p $out
# Under its own name, and the one that programs look for (soname).
for name in libpyhelpers.so libpyhelpers.so.0; do
    ln -sf ../release/libpyhelpers.so $out/$name
done
command -v g++ >/dev/null || { lacks g++ g++; echo "$missing"; exit 3; }
has_sanitizers || { lacks libasan "libasan8 libubsan1"; sanitizers=; }
share || exit 1
two_at_a_time "$@"

[ $status = 0 ] || exit $status
[ -z "$missing" ] || { echo "$missing"; exit 3; }
