//! How the shared library is linked.

fn main() {
    // The reactors run this library's code: unloading it under them would end the process.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rerun-if-changed=build.rs");
}
