//! A process as somebody at a terminal sees it.

use std::num::NonZero;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard};

use prynai_test_redis::PATIENCE;
use pty_process::{Command, OwnedWritePty, Size};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::time::timeout;
use vt100::Parser;

use crate::process::path_of;

/// Lines and columns.
const LINES: NonZero<u16> = NonZero::new(24).expect("is not zero");
const COLUMNS: NonZero<u16> = NonZero::new(100).expect("is not zero");

/// What the shell says before and after the program: the settings of the terminal, and how the program ended.
const SHELL: &str = r#"before=$(stty -g)
"$@"
echo "it ended with $?"
[ "$before" = "$(stty -g)" ] && echo "the terminal is as it was"
read -r line"#;

/// A shell at a terminal, which runs one of our programs and stays when the program has ended. All of it is killed when
/// this is dropped.
pub struct Terminal {
    shell: Child,
    keys: OwnedWritePty,
    screen: Arc<Mutex<Parser>>,
}

impl Terminal {
    /// Starts one of the workspace's binaries at a terminal of 24 lines of 100 columns.
    pub async fn start(binary: &str, args: &[&str]) -> Self {
        let (pty, inside) = pty_process::open().expect("there are terminals");
        let size = Size::new(LINES.get(), COLUMNS.get());
        pty.resize(size).expect("has a size");
        let shell = Command::new("sh")
            .args(["-c", SHELL, "sh"])
            .arg(path_of(binary).await)
            .args(args)
            .env("TERM", "xterm-256color")
            .kill_on_drop(true)
            .spawn(inside)
            .expect("a shell runs");
        let (mut output, keys) = pty.into_split();
        let screen = Arc::new(Mutex::new(Parser::new(LINES, COLUMNS, 0)));
        let shown = Arc::clone(&screen);
        tokio::spawn(async move {
            let mut bytes = [0; 4096];
            // Linux ends it with an error when nobody writes any more.
            while let Ok(count @ 1..) = output.read(&mut bytes).await {
                let mut screen = shown.lock().expect("is never poisoned");
                screen.process(&bytes[..count]);
            }
        });
        Self {
            shell,
            keys,
            screen,
        }
    }

    /// The text that is to be seen.
    pub fn text(&self) -> String {
        self.screen().screen().contents()
    }

    /// Whether a program has the whole screen for itself, so that what was there before comes back after it.
    pub fn is_taken(&self) -> bool {
        self.screen().screen().alternate_screen()
    }

    /// Whether the cursor is to be seen.
    pub fn has_cursor(&self) -> bool {
        !self.screen().screen().hide_cursor()
    }

    /// Types this.
    pub async fn press(&mut self, keys: &str) {
        let typed = self.keys.write_all(keys.as_bytes()).await;
        typed.expect("the terminal is there");
    }

    /// The process id of the program.
    pub fn program(&self) -> u32 {
        let shell = self.shell.id().expect("runs");
        let children = format!("/proc/{shell}/task/{shell}/children");
        let children = std::fs::read_to_string(children).expect("Linux tells it");
        children.trim().parse().expect("one program runs")
    }

    /// Lets the shell end, and waits for its end.
    pub async fn leave(mut self) -> ExitStatus {
        self.press("\n").await;
        let ended = timeout(PATIENCE, self.shell.wait()).await;
        ended
            .unwrap_or_else(|_| panic!("the shell does not end:\n{}", self.text()))
            .expect("can be waited for")
    }

    fn screen(&self) -> MutexGuard<'_, Parser> {
        self.screen.lock().expect("is never poisoned")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- terminal ---\n{}", self.text());
        }
    }
}
