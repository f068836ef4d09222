//! Signing in to a Redis that knows the users of Microsoft Entra ID: the user is the object id of an identity of this
//! process, and the password a token that ends within a day. So a process asks for the next token before the old one
//! ends, and shows it on every connection that it has.

mod renewal;
mod settings;
mod token;

pub(crate) use renewal::keep_signed_in;
pub use settings::{RedisAuth, RedisSignInSettings};

use std::sync::Arc;

use prynai_identity::{Asker, Identity};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::token::Token;
use crate::fault::Fault;

/// What one bus knows of its token. Cheap to clone; when the last clone is gone, nobody asks for tokens any more.
#[derive(Clone)]
pub(crate) struct SignIn {
    state: watch::Receiver<State>,
    _asking: Arc<DropGuard>,
}

#[derive(Clone)]
pub(crate) enum State {
    /// Nobody has answered yet.
    Asking,
    Signed(Token),
    /// There is no token that is good now, and why.
    Without(String),
}

impl SignIn {
    /// Asks for tokens from now on, if that is how this process signs in.
    pub(crate) fn start(settings: &RedisSignInSettings) -> Result<Option<Self>, String> {
        Ok(settings.identity()?.map(Self::with))
    }

    fn with(identity: Identity) -> Self {
        let (sender, state) = watch::channel(State::Asking);
        let stop = CancellationToken::new();
        let asking = renewal::keep_token(Asker::new(identity), sender);
        tokio::spawn(stop.clone().run_until_cancelled_owned(asking));
        Self {
            state,
            _asking: Arc::new(stop.drop_guard()),
        }
    }

    /// A token that is good now. Waits only for the very first answer.
    pub(crate) async fn token(&self) -> Result<Token, Fault> {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| !matches!(state, State::Asking));
        let settled = settled
            .await
            .map_err(|_| Fault::away("the bus was closed"))?;
        match &*settled {
            State::Signed(token) if !token.has_ended() => Ok(token.clone()),
            State::Signed(_) | State::Asking => Err(Fault::away(
                "the token of Entra ID has ended, and there is no newer one",
            )),
            State::Without(reason) => Err(Fault::away(reason.clone())),
        }
    }

    /// Hears of each newer token.
    pub(crate) fn news(&self) -> watch::Receiver<State> {
        let mut news = self.state.clone();
        news.mark_unchanged();
        news
    }
}
