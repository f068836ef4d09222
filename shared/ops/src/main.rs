//! The program `prynai-ops`.

use std::io::{ErrorKind, Write, stderr, stdout};
use std::process::ExitCode;
use std::time::Duration;

use prynai_ops::answer::{Answer, answer};
use prynai_ops::look::Failed;
use prynai_ops::settings::{Ask, EXIT_AWAY, Settings, command, parse_or_exit};
use prynai_ops::show::{height, line_width, redrawn};
use prynai_redis_bus::RedisOperations;
use prynai_redis_bus::settings::exit_if_unusable;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let settings = parse_or_exit(std::env::args_os());
    if let Ask::Completion { shell } = settings.ask {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command(), "prynai-ops", &mut script);
        return print(&script, 0);
    }
    match run(&settings).await {
        Ok(answer) => print(answer.text.as_bytes(), answer.code),
        Err(failed) => {
            // Nothing is left to do when standard error is gone as well.
            let _ = writeln!(stderr(), "error: {failed}");
            ExitCode::from(failed.code())
        }
    }
}

async fn run(settings: &Settings) -> Result<Answer, Failed> {
    let connected = RedisOperations::connect(&settings.redis).await;
    let operations = exit_if_unusable(connected)?;
    if let (Ask::Top(asked), false, Some(_)) = (&settings.ask, settings.json, height()) {
        return watch(&operations, settings, asked.every).await;
    }
    answer(&operations, &settings.ask, settings.json, line_width()).await
}

/// Draws the screen until the program is interrupted, or the terminal is gone. While Redis is away it says so.
async fn watch(
    operations: &RedisOperations,
    settings: &Settings,
    every: Duration,
) -> Result<Answer, Failed> {
    loop {
        let (width, height) = (line_width(), height().unwrap_or(usize::MAX));
        let text = match answer(operations, &settings.ask, false, width).await {
            Ok(answer) => answer.text,
            Err(failed) if failed.code() == EXIT_AWAY => format!("{failed}\n"),
            Err(failed) => return Err(failed),
        };
        let drawn = redrawn(&text, height);
        if stdout().write_all(drawn.as_bytes()).is_err() {
            let text = String::new();
            return Ok(Answer { text, code: 0 });
        }
        tokio::time::sleep(every).await;
    }
}

/// A reader that has seen enough, such as `head`, is no failure.
fn print(text: &[u8], code: u8) -> ExitCode {
    let mut out = stdout();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let _ = writeln!(stderr(), "error: cannot write: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::from(code),
    }
}
