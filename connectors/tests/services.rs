//! Where the services are.

use std::path::PathBuf;

/// The value of an entry such as `ROWDOCK_TEST_POSTGRES`.
pub(crate) fn address(name: &str) -> String {
    if let Ok(address) = std::env::var(name) {
        return address;
    }
    let file = match std::env::var_os("ROWDOCK_TEST_ENV") {
        Some(file) => PathBuf::from(file),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/services.env"),
    };
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| {
        panic!(
            "cannot read {}: {error}; run `make services`",
            file.display()
        )
    });
    let entry = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let entry = entry.unwrap_or_else(|| panic!("no {name} in {}", file.display()));
    entry.to_owned()
}
