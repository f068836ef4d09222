//! The program `prynai-load`.

use std::fs;
use std::io::{Write, stderr, stdout};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use prynai_load::progress::Display;
use prynai_load::report::{Report, html, table};
use prynai_load::settings::Settings;
use prynai_load::{Unusable, run};
use tokio_util::sync::CancellationToken;

/// A limit was broken.
const BROKEN: u8 = 1;

/// Wrong use, or a server that cannot be used; clap's own code for wrong use.
const UNUSABLE: u8 = 2;

/// What a shell expects of a program that SIGINT ended.
const INTERRUPTED: i32 = 130;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let settings = Settings::parse();
    let stop = CancellationToken::new();
    let interrupted = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.cancel();
        }
        // The last answers may take as long as --timeout. Whoever asks twice does not want them.
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(INTERRUPTED);
        }
    });
    let mut display = Display::new();
    let report = run(&settings, &stop, |progress| display.show(progress)).await;
    display.finish();
    let told = report.and_then(|report| tell(&settings, &report).map(|()| report));
    match told {
        Ok(report) if report.is_good() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(BROKEN),
        Err(Unusable(reason)) => {
            // Nothing is left to do when standard error is gone as well.
            let _ = writeln!(stderr(), "prynai-load: {reason}");
            ExitCode::from(UNUSABLE)
        }
    }
}

fn tell(settings: &Settings, report: &Report) -> Result<(), Unusable> {
    let output = &settings.output;
    if let Some(file) = &output.json {
        let json = serde_json::to_string_pretty(report);
        write(file, &json.map_err(|error| Unusable(error.to_string()))?)?;
    }
    if let Some(file) = &output.html {
        write(file, &html::page(report))?;
    }
    let written = stdout().write_all(table::table(report).as_bytes());
    written.map_err(|error| Unusable(format!("standard output: {error}")))
}

fn write(file: &Path, text: &str) -> Result<(), Unusable> {
    let written = fs::write(file, text);
    written.map_err(|error| Unusable(format!("{}: {error}", file.display())))
}
