//! The program `prynai-ops`.

use std::io::{ErrorKind, Write, stderr, stdout};
use std::process::ExitCode;

use prynai_ops::answer::{Answer, answer};
use prynai_ops::look::{Failed, tail};
use prynai_ops::screen;
use prynai_ops::settings::{Ask, Settings, command, parse_or_exit};
use prynai_ops::show::{is_watched, line_width};
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
    if let (Ask::Top(asked), false, true) = (&settings.ask, settings.json, is_watched()) {
        screen::watch(&operations, asked).await?;
        let text = String::new();
        return Ok(Answer { text, code: 0 });
    }
    if let Ask::Tail(asked) = &settings.ask {
        return tail::follow(&operations, asked, settings.json, print_line).await;
    }
    answer(&operations, &settings.ask, settings.json, line_width()).await
}

/// Whether somebody still reads.
fn print_line(line: &str) -> bool {
    let mut out = stdout();
    let written = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    written.is_ok()
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
