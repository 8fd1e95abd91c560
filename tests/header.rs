//! The committed header is what cbindgen makes of `src/ffi`. `UPDATE=1` writes it anew.

use std::path::Path;

/// In the order in which their contents are to stand.
const FILES: [&str; 12] = [
    "ph.rs",
    "datagram.rs",
    "udph.rs",
    "peer.rs",
    "bcast.rs",
    "evloop.rs",
    "tcp.rs",
    "stopwatch.rs",
    "rq.rs",
    "rq_feed.rs",
    "npipe.rs",
    "virt.rs",
];

#[test]
fn header_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml");
    let builder =
        FILES.into_iter().fold(cbindgen::Builder::new().with_config(config), |builder, file| {
            builder.with_src(root.join("src/ffi").join(file))
        });
    let bindings = builder.generate().expect("src/ffi can be read");
    let mut generated = Vec::new();
    bindings.write(&mut generated);
    let path = root.join("include/pyhelpers.h");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &generated).expect("the header can be written");
    }
    let committed = std::fs::read(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "include/pyhelpers.h does not match src/ffi: run `make header`"
    );
}
