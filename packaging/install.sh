#!/bin/sh
# Installs what `make build` left in target/release, or removes it again.
#
#   sh packaging/install.sh install|uninstall
#
# From the environment:
#   PREFIX      where it is to be used, an absolute path (default /usr/local)
#   LIBDIR      its libraries, as /usr/lib/x86_64-linux-gnu (default $PREFIX/lib)
#   INCLUDEDIR  its headers (default $PREFIX/include)
#   DESTDIR     put in front of all of them while packaging; stands in no installed file
#   STRIP, LD, OBJCOPY, AR  the binutils; STRIP=: keeps the shared library's line numbers
set -eu
cd "$(dirname "$0")/.."

built=target/release
prefix=${PREFIX:-/usr/local}
prefix=${prefix%/}
libdir=${LIBDIR:-$prefix/lib}
libdir=${libdir%/}
includedir=${INCLUDEDIR:-$prefix/include}
includedir=${includedir%/}
cmakedir=$libdir/cmake/pyhelpers
version=$(sed -n '/^version = /{s/.*"\(.*\)"/\1/p;q;}' Cargo.toml)
major=${version%%.*}

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

# staged PATH: where what is used at PATH is put now.
staged() {
    printf '%s' "${DESTDIR:-}$1"
}

# put MODE FILE TARGET
put() {
    folder=$(staged "$(dirname "$3")")
    # One that is there keeps its mode, which is its owner's to choose.
    [ -d "$folder" ] || install -d -m 755 "$folder"
    install -m "$1" "$2" "$(staged "$3")"
}

# below_prefix PATH TEXT: PATH with TEXT in place of the prefix; as it is where it lies elsewhere.
below_prefix() {
    case $1 in
        "$prefix"/*) printf '%s' "$2/${1#"$prefix"/}" ;;
        *) printf '%s' "$1" ;;
    esac
}

# The prefix as the CMake files find it: up from the folder that they are in, so that it may be
# moved; where that is not below the prefix, the prefix as it is.
cmake_prefix() {
    case $cmakedir in
        "$prefix"/*)
            up=$(printf '%s' "${cmakedir#"$prefix"/}" | sed 's,[^/][^/]*,..,g')
            printf '%s' "\${_pyhelpers_prefix}/$up"
            ;;
        *) printf '%s' "$prefix" ;;
    esac
}

# pc_path PATH: as pkg-config reads it, to which these characters mean something.
pc_path() {
    below_prefix "$1" "\${prefix}" | sed "s/[\\\\ \"'#]/\\\\&/g"
}

# set_to NAME TEXT: the sed command that writes TEXT in place of @NAME@.
set_to() {
    printf 's|@%s@|%s|g\n' "$1" "$(printf '%s' "$2" | sed 's/[\\|&]/\\&/g')"
}

# fill TEMPLATE TARGET
fill() {
    {
        set_to VERSION "$version"
        set_to MAJOR "$major"
        set_to PC_PREFIX "$(pc_path "$prefix")"
        set_to PC_LIBDIR "$(pc_path "$libdir")"
        set_to PC_INCLUDEDIR "$(pc_path "$includedir")"
        set_to CMAKE_PREFIX "$(cmake_prefix)"
        set_to CMAKE_LIBDIR "$(below_prefix "$libdir" "\${_pyhelpers_prefix}")"
        set_to CMAKE_INCLUDEDIR "$(below_prefix "$includedir" "\${_pyhelpers_prefix}")"
    } > "$work/sed"
    sed -f "$work/sed" "packaging/$1" > "$work/filled"
    put 644 "$work/filled" "$2"
}

# The names that the header declares, and that alone may be global.
functions() {
    sed -n 's/^[a-z][^(#;{]*[ *]\([a-z][a-z0-9_]*\)(.*/\1/p' include/pyhelpers.h
}

shared_library() {
    cp $built/libpyhelpers.so "$work/shared"
    ${STRIP:-strip} --strip-unneeded "$work/shared"
    put 755 "$work/shared" "$libdir/libpyhelpers.so.$version"
    ln -sfn "libpyhelpers.so.$version" "$(staged "$libdir/libpyhelpers.so.$major")"
    ln -sfn "libpyhelpers.so.$major" "$(staged "$libdir/libpyhelpers.so")"
}

# One object, in which Rust's std is local: a program may hold another Rust library, with its own.
# --force-group-allocation keeps the linker from taking the other's unwinding data for ours; the
# sections that are removed are for rustc's optimizer.
static_library() {
    functions > "$work/functions"
    # shellcheck disable=SC2046
    ${LD:-ld} -r --gc-sections --force-group-allocation $(sed 's/^/-u /' "$work/functions") \
        -o "$work/whole.o" $built/libpyhelpers.a
    ${OBJCOPY:-objcopy} --strip-unneeded --keep-global-symbols="$work/functions" \
        --remove-section=.llvmbc --remove-section=.llvmcmd "$work/whole.o" "$work/pyhelpers.o"
    ${AR:-ar} crD "$work/static.a" "$work/pyhelpers.o"
    put 644 "$work/static.a" "$libdir/libpyhelpers.a"
}

headers() {
    for header in include/*; do basename "$header"; done
}

# ld.so finds a library in its own folders by a cache.
refresh_cache() {
    PATH=$PATH:/sbin:/usr/sbin
    if [ -z "${DESTDIR:-}" ] && ldconfig -NXv 2>/dev/null | grep -q "^$libdir:"; then
        ldconfig 2>/dev/null || echo "install.sh: programs find it when root has run ldconfig"
    fi
}

install_all() {
    for library in libpyhelpers.so libpyhelpers.a; do
        [ -f "$built/$library" ] || fail "$built/$library is not there: run make build"
    done
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    shared_library
    static_library
    for header in $(headers); do put 644 "include/$header" "$includedir/$header"; done
    fill pyhelpers.pc.in "$libdir/pkgconfig/pyhelpers.pc"
    for file in pyhelpers-config pyhelpers-config-version; do
        fill "$file.cmake.in" "$cmakedir/$file.cmake"
    done
}

uninstall_all() {
    for file in "libpyhelpers.so.$major" libpyhelpers.so libpyhelpers.a pkgconfig/pyhelpers.pc; do
        rm -f "$(staged "$libdir/$file")"
    done
    # An earlier version's, too, that was installed over.
    rm -f "$(staged "$libdir/libpyhelpers.so.$major")".*
    for header in $(headers); do rm -f "$(staged "$includedir/$header")"; done
    for file in pyhelpers-config pyhelpers-config-version; do
        rm -f "$(staged "$cmakedir/$file.cmake")"
    done
    # The others are not ours alone.
    rmdir "$(staged "$cmakedir")" 2>/dev/null || true
}

for path in "$prefix" "$libdir" "$includedir"; do
    case $path in
        /* | '') ;;
        *) fail "$path: PREFIX, LIBDIR and INCLUDEDIR are absolute paths" ;;
    esac
done
case ${1:-} in
    install) install_all ;;
    uninstall) uninstall_all ;;
    *) fail "install or uninstall?" ;;
esac
refresh_cache
