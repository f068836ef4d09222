//! Keeps a token that is good, and every connection signed in with it.

use std::time::Duration;

use prynai_identity::Asker;
use prynai_process::backoff::Backoff;
use prynai_process::outage::Alarm;
use redis::aio::MultiplexedConnection;
use redis::cmd;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::State;
use super::token::Token;
use crate::fault::ends_connection;

/// What the tokens are for (learn.microsoft.com/azure/redis/entra-for-authentication).
const RESOURCE: &str = "https://redis.azure.com";

/// Time for Redis to answer a new token: on a connection that waits for requests it stands behind that.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

/// Attempts to get the first token that follow one another within a second; later ones come after [`LATER`], since
/// whoever gives out tokens counts how often it is asked.
const SOON: u32 = 20;
const LATER: Duration = Duration::from_secs(15);

/// Time between attempts to show a token that Redis refused.
const SHOWN_AGAIN: Duration = Duration::from_secs(5);

/// Asks for a token, and for the next one before that ends, until nobody is left who would use it.
pub(super) async fn keep_token(asker: Asker, state: watch::Sender<State>) {
    let (mut newest, mut backoff) = (None::<Token>, Backoff::endless());
    let failing = Alarm::default();
    let mut failures = 0;
    loop {
        match token(&asker).await {
            Ok(token) if newest.as_ref().is_none_or(|old| token.is_newer_than(old)) => {
                if failing.clear() {
                    tracing::info!("there is a token for Redis again");
                }
                (backoff, failures) = (Backoff::endless(), 0);
                let pause = token.until_replaced();
                state.send_replace(State::Signed(token.clone()));
                newest = Some(token);
                tokio::time::sleep(pause).await;
                continue;
            }
            // The platform keeps tokens, too, and gives out the old one until it has a newer.
            Ok(_) => {}
            Err(reason) => {
                failures += 1;
                if failing.raise() {
                    tracing::warn!(
                        reason,
                        "Entra ID gives this process no token for Redis; trying again"
                    );
                }
                let is_without = newest.as_ref().is_none_or(|old| old.has_ended());
                if is_without {
                    newest = None;
                    state.send_replace(State::Without(reason));
                }
            }
        }
        match &newest {
            Some(old) => tokio::time::sleep(old.until_tried_again()).await,
            None if failures < SOON => drop(backoff.pause().await),
            None => tokio::time::sleep(LATER).await,
        }
    }
}

/// A token, or why there is none, without anything secret.
async fn token(asker: &Asker) -> Result<Token, String> {
    let answer = asker.token(RESOURCE).await;
    let answer = answer.map_err(|reason| format!("no token for Redis from {reason}"))?;
    let token = Token::read(&answer).map_err(|reason| format!("no token for Redis: {reason}"))?;
    // Another would be asked for at once.
    match token.has_ended() {
        true => Err(
            "no token for Redis: it has ended already; is the clock of this machine right?"
                .to_owned(),
        ),
        false => Ok(token),
    }
}

/// Shows each newer token on a connection until that is lost, so that Redis never ends it with its token.
pub(crate) async fn keep_signed_in(
    mut connection: MultiplexedConnection,
    mut news: watch::Receiver<State>,
    lost: CancellationToken,
) {
    let showing = async {
        while news.changed().await.is_ok() {
            loop {
                let State::Signed(token) = news.borrow_and_update().clone() else {
                    break;
                };
                let mut auth = cmd("AUTH");
                auth.arg(&token.user).arg(token.secret.expose());
                let shown = timeout(ANSWERED_WITHIN, auth.query_async::<()>(&mut connection));
                match shown.await {
                    Ok(Ok(())) => break,
                    // Whoever has the connection finds that out as well.
                    Ok(Err(error)) if ends_connection(&error) => return,
                    // The old one still holds.
                    Ok(Err(error)) => tracing::warn!(
                        reason = error.code().unwrap_or_default(),
                        "Redis refuses the new token of a connection, which goes on with its old one; trying again"
                    ),
                    Err(_) => {
                        tracing::warn!("Redis does not answer to the new token of a connection")
                    }
                }
                tokio::time::sleep(SHOWN_AGAIN).await;
            }
        }
    };
    lost.run_until_cancelled(showing).await;
}
