//! Bearer tokens: where they come from, and which client has which.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use http::HeaderValue;
use http::header::AUTHORIZATION;
use tokio::sync::Mutex;

use crate::settings::{Identity, TOKEN};
use crate::wire::template::Template;

/// A source is not asked more often than this, however many clients are refused.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// The tokens of all clients.
pub(crate) struct Tokens {
    source: Source,
    held: RwLock<Arc<Held>>,
    /// When the source was last asked.
    asked: Mutex<Instant>,
}

/// What was read at one time.
struct Held {
    generation: u64,
    values: Vec<HeaderValue>,
}

/// What a client sends, until it is told that it does not count any more.
#[derive(Clone)]
pub(crate) struct Token {
    generation: u64,
    value: Option<HeaderValue>,
}

impl Token {
    /// Puts it into a request.
    pub(crate) fn show(&self, template: &mut Template) {
        if let Some(value) = &self.value {
            template.set(AUTHORIZATION, value.clone());
        }
    }
}

#[derive(Clone)]
enum Source {
    Environment,
    File(PathBuf),
    Command(String),
}

impl Tokens {
    /// Reads them for the first time.
    ///
    /// # Errors
    ///
    /// Why there are none.
    pub(crate) fn read(identity: &Identity) -> Result<Self, String> {
        let source = match (&identity.token_file, &identity.token_command) {
            (Some(file), _) => Source::File(file.clone()),
            (None, Some(command)) => Source::Command(command.clone()),
            (None, None) => Source::Environment,
        };
        let values = source.read()?;
        Ok(Self {
            held: RwLock::new(Arc::new(Held {
                generation: 0,
                values,
            })),
            asked: Mutex::new(Instant::now()),
            source,
        })
    }

    /// The token of a client.
    pub(crate) fn of(&self, client: usize) -> Token {
        let held = self.held();
        let values = &held.values;
        let value = (!values.is_empty()).then(|| values[client % values.len()].clone());
        Token {
            generation: held.generation,
            value,
        }
    }

    /// Looks for another token than the refused one; tells whether there is one.
    pub(crate) async fn renew(&self, refused: &Token) -> bool {
        let mut asked = self.asked.lock().await;
        if self.held().generation != refused.generation {
            return true;
        }
        if asked.elapsed() < AT_MOST_EVERY || matches!(self.source, Source::Environment) {
            return false;
        }
        let source = self.source.clone();
        let read = tokio::task::spawn_blocking(move || source.read()).await;
        *asked = Instant::now();
        let Ok(Ok(values)) = read else {
            return false;
        };
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if held.values == values {
            return false;
        }
        let generation = held.generation + 1;
        *held = Arc::new(Held { generation, values });
        true
    }

    fn held(&self) -> Arc<Held> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.clone()
    }
}

impl Source {
    fn read(&self) -> Result<Vec<HeaderValue>, String> {
        let text = match self {
            Self::Environment => match std::env::var(TOKEN) {
                Ok(token) if !token.is_empty() => token,
                _ => return Ok(Vec::new()),
            },
            Self::File(file) => std::fs::read_to_string(file)
                .map_err(|error| format!("--token-file {}: {error}", file.display()))?,
            Self::Command(command) => output(command)?,
        };
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let values = lines.map(bearer).collect::<Result<Vec<_>, _>>()?;
        if values.is_empty() {
            return Err(
                "there is no token in what --token-file or --token-command gave".to_owned(),
            );
        }
        Ok(values)
    }
}

fn output(command: &str) -> Result<String, String> {
    let output = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("--token-command: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("--token-command ended with {}", output.status)),
    }
}

/// The error does not repeat the token.
fn bearer(token: &str) -> Result<HeaderValue, String> {
    let value = HeaderValue::try_from(format!("Bearer {token}"));
    let mut value = value.map_err(|_| "a token has characters that no header can hold")?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn shown(tokens: &Tokens, client: usize) -> String {
        let value = tokens.of(client).value.unwrap();
        value.to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn clients_share_out_tokens_and_get_new_ones_when_they_are_refused() {
        let file = std::env::temp_dir().join(format!("prynai-load-tokens-{}", std::process::id()));
        std::fs::write(&file, "one\n\ntwo\n").unwrap();
        let identity = Identity {
            token_file: Some(file.clone()),
            token_command: None,
            ca: None,
        };
        let tokens = Tokens::read(&identity).unwrap();
        assert_eq!(shown(&tokens, 0), "Bearer one");
        assert_eq!(shown(&tokens, 3), "Bearer two");
        let refused = tokens.of(0);
        std::fs::write(&file, "three\n").unwrap();
        // However slow the machine is.
        *tokens.asked.lock().await += HOUR;
        assert!(!tokens.renew(&refused).await, "it was just read");
        *tokens.asked.lock().await -= HOUR + AT_MOST_EVERY;
        assert!(tokens.renew(&refused).await);
        assert_eq!(shown(&tokens, 3), "Bearer three");
        // Whoever is refused later hears of it at once.
        assert!(tokens.renew(&refused).await);
        *tokens.asked.lock().await -= AT_MOST_EVERY;
        assert!(!tokens.renew(&tokens.of(0)).await, "it is the same one");
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_token_that_no_header_can_hold_is_not_repeated() {
        let told = bearer("geheim\u{7}").unwrap_err();
        assert!(!told.contains("geheim"), "{told}");
    }
}
