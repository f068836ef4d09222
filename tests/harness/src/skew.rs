//! Processes whose clock is wrong: they read the wall clock through `libfaketime`.

use std::path::Path;
use std::process::Command;

/// The variable that makes the linker load a library first, and where packages of faketime install theirs.
#[cfg(not(target_os = "macos"))]
const PRELOAD: (&str, [&str; 4]) = (
    "LD_PRELOAD",
    [
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
        "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
        "/usr/lib64/faketime/libfaketime.so.1",
        "/usr/lib/faketime/libfaketime.so.1",
    ],
);
#[cfg(target_os = "macos")]
const PRELOAD: (&str, [&str; 2]) = (
    "DYLD_INSERT_LIBRARIES",
    [
        "/opt/homebrew/lib/faketime/libfaketime.1.dylib",
        "/usr/local/lib/faketime/libfaketime.1.dylib",
    ],
);

/// The variables that make the clock of a process go ahead (`+300s`) or behind (`-300s`). Its timers go on as ever.
///
/// They are set here and not by the program `faketime`: that one refuses to start over what a killed process with the
/// same number has left in shared memory, which the library does not mind.
pub fn skewed_by(offset: &str) -> Vec<(String, String)> {
    let (preload, places) = PRELOAD;
    let library = places.into_iter().find(|place| Path::new(place).exists());
    let library = library.unwrap_or_else(|| {
        panic!("libfaketime is in none of {places:?}. Run scripts/test, which installs it when it is missing.")
    });
    let variables = [
        (preload, library),
        ("DYLD_FORCE_FLAT_NAMESPACE", "1"),
        ("FAKETIME", offset),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    // macOS takes these variables away from its own programs, `date` among them.
    if cfg!(not(target_os = "macos")) {
        assert_skewed(&variables, offset);
    }
    variables.into()
}

/// A test of skewed clocks whose clocks are right would tell nothing.
fn assert_skewed(variables: &[(String, String)], offset: &str) {
    let skewed = seconds(Command::new("date").envs(variables.iter().cloned()));
    let shown = skewed - seconds(&mut Command::new("date"));
    let wanted: i64 = offset.trim_end_matches('s').parse().expect("seconds");
    assert!(
        (shown - wanted).abs() < 30,
        "{variables:?} move the clock by {shown} s"
    );
}

fn seconds(date: &mut Command) -> i64 {
    let output = date.arg("+%s").output().expect("date runs");
    let shown = String::from_utf8_lossy(&output.stdout);
    let said = || String::from_utf8_lossy(&output.stderr);
    shown
        .trim()
        .parse()
        .unwrap_or_else(|_| panic!("date: {shown}{}", said()))
}
