//! Another Rust library of the same program; its panics are its own.

#[no_mangle]
pub extern "C" fn other_catches() -> i32 {
    let outcome = std::thread::spawn(|| std::panic::catch_unwind(|| panic!("caught"))).join();
    i32::from(matches!(outcome, Ok(Err(_))))
}
