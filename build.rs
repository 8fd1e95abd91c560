//! How the shared library is linked.

fn main() {
    // Programs that link with it load it by this name: it changes when the ABI is broken.
    let major = std::env::var("CARGO_PKG_VERSION_MAJOR").expect("cargo sets it");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libpyhelpers.so.{major}");
    // The reactors run this library's code: unloading it under them would end the process.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rerun-if-changed=build.rs");
}
