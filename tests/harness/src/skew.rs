//! Processes whose clock is wrong: they read the wall clock through `libfaketime`.

use std::process::Command;

/// The variables that make the clock of a process go ahead (`+300s`) or behind (`-300s`). Its timers go on as ever.
pub fn skewed_by(offset: &str) -> Vec<(String, String)> {
    let shown = Command::new("faketime")
        .args(["--exclude-monotonic", "-f", offset, "env"])
        .output()
        .unwrap_or_else(|error| {
            panic!("cannot run faketime: {error}. Run scripts/test, which installs it when it is missing.")
        });
    let shown = String::from_utf8(shown.stdout).expect("is text");
    let variables = shown.lines().filter_map(|line| line.split_once('='));
    // `FAKETIME_SHARED` names memory of the process that printed these, which has ended.
    let ours = variables.filter(|(name, _)| {
        let is_faketime = name.starts_with("FAKETIME") && *name != "FAKETIME_SHARED";
        is_faketime || *name == "LD_PRELOAD" || name.starts_with("DYLD_")
    });
    ours.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
