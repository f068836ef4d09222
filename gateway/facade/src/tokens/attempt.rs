//! Who asks the issuer, when a refresh token is used several times at once or again: the first one does, and all get
//! what it got. Issuers take a refresh token once, and some end all that it gave when it comes a second time (RFC 9700,
//! section 4.14.2); but answers get lost, and processes of one client share tokens.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::refusal::Refusal;
use crate::sealed::{Kind, now_s, unguessable};
use crate::state::Facade;
use crate::tokens::{LIFE, answer};

/// For how many seconds a used one may be used again.
const GRACE_S: u64 = 30;

/// For how long nobody else asks: longer than the issuer may take.
const LEASE: Duration = Duration::from_secs(GRACE_S);

/// How long what came of it is kept: as long as one attempt lasts, and the grace after it.
const KEPT: Duration = Duration::from_secs(2 * GRACE_S);

/// Attempts that may fail within one lease.
const MOST_FAILED: usize = 16;

/// How long others wait for the one that asks.
const PATIENCE: Duration = Duration::from_secs(10);

/// The first and the longest time between two looks.
const LOOKS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// What is kept of an attempt that gave nothing.
const FAILED: &str = "failed";

/// What a refresh token gave.
#[derive(Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) access_token: String,
    /// When the access token ends, Unix seconds.
    pub(super) ends_s: Option<u64>,
    pub(super) scope: String,
    pub(super) refresh_token: String,
}

/// One of the uses of a refresh token: the one that asks the issuer.
pub(super) struct Attempt {
    /// The name of the refresh token.
    token: String,
    /// Its own name.
    name: String,
}

/// What a use of a refresh token leads to.
pub(super) enum Turn {
    /// Nobody has asked the issuer.
    Mine(Attempt),
    /// Somebody did just now, and got this.
    Answered(Answer),
    /// It was used too long ago to be used again.
    Over,
}

impl Answer {
    /// As a client gets it now.
    pub(super) fn told(&self) -> Value {
        let left = self.ends_s.map(|ends| ends.saturating_sub(now_s()));
        answer(
            &self.access_token,
            left,
            &self.scope,
            Some(&self.refresh_token),
        )
    }
}

impl Turn {
    /// Whose turn it is, for the refresh token of this name and text.
    ///
    /// # Errors
    ///
    /// When the bus is away, or the one that asks does not come to an end.
    pub(super) async fn of(facade: &Facade, token: &str, text: &str) -> Result<Self, Refusal> {
        let attempt = Attempt {
            token: token.to_owned(),
            name: unguessable(),
        };
        let mut claim = format!("refreshing.{token}");
        for _ in 0..MOST_FAILED {
            let first = facade.once.put_once(&claim, &attempt.name, LEASE).await?;
            if first == attempt.name {
                return attempt.unless_used(facade, text).await;
            }
            match wait(facade, &first).await? {
                Some(kept) if kept == FAILED => claim = format!("refreshing.{token}.{first}"),
                kept => return Self::answered(facade, text, kept),
            }
        }
        Err(busy())
    }

    fn answered(facade: &Facade, text: &str, kept: Option<String>) -> Result<Self, Refusal> {
        // Only who has the token can open it.
        let answer = kept.and_then(|kept| facade.sealer.open(Kind::Answer, text, &kept));
        answer.map(Self::Answered).ok_or_else(busy)
    }
}

impl Attempt {
    async fn unless_used(self, facade: &Facade, text: &str) -> Result<Turn, Refusal> {
        let Some(used) = facade.once.read_once(&self.used()).await? else {
            return Ok(Turn::Mine(self));
        };
        let (when, by) = used.split_once(' ').unwrap_or_default();
        match is_over(when, now_s()) {
            true => Ok(Turn::Over),
            false => Turn::answered(facade, text, facade.once.read_once(&kept(by)).await?),
        }
    }

    /// The token is used, and this is what it gave.
    pub(super) async fn succeeded(
        &self,
        facade: &Facade,
        text: &str,
        answer: &Answer,
    ) -> Result<(), Refusal> {
        let sealed = facade.sealer.seal(Kind::Answer, text, answer, KEPT);
        let once = &facade.once;
        once.put_once(&kept(&self.name), &sealed, KEPT).await?;
        let used = format!("{} {}", now_s(), self.name);
        once.put_once(&self.used(), &used, LIFE).await?;
        Ok(())
    }

    /// The token is as good as before: somebody else may ask now.
    pub(super) async fn failed(&self, facade: &Facade) -> Result<(), Refusal> {
        let once = &facade.once;
        once.put_once(&kept(&self.name), FAILED, KEPT).await?;
        Ok(())
    }

    fn used(&self) -> String {
        format!("refreshed.{}", self.token)
    }
}

/// What is kept of an attempt, once it is over.
async fn wait(facade: &Facade, attempt: &str) -> Result<Option<String>, Refusal> {
    let name = kept(attempt);
    let (mut pause, longest) = LOOKS;
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            let kept = facade.once.read_once(&name).await?;
            if kept.is_some() {
                return Ok(kept);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    });
    waited.await.unwrap_or(Ok(None))
}

fn kept(attempt: &str) -> String {
    format!("refresh-answer.{attempt}")
}

fn busy() -> Refusal {
    Refusal::passing("the refresh token is being used now; try again")
}

/// Whether the time is over in which a token may be used again that was used at `when`, in Unix seconds.
fn is_over(when: &str, now_s: u64) -> bool {
    let when = when.parse().unwrap_or(0);
    now_s.saturating_sub(when) > GRACE_S
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_may_be_used_again_only_for_a_while() {
        for (when, is_it) in [
            ("1000", false),
            ("970", false),
            ("969", true),
            ("1010", false),
            ("no time", true),
        ] {
            assert_eq!(is_over(when, 1000), is_it, "{when}");
        }
    }
}
