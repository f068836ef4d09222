//! Values that outlive the process, for tool authors.

use std::sync::Arc;
use std::time::Duration;

use prynai_bus::ids::{OperationId, SessionId};
use prynai_bus::wire::principal::{Principal, Share};
use prynai_bus::{BusError, StateScope, StateStore};
use prynai_process::backoff::Backoff;
use rmcp::ErrorData;
use rmcp::handler::server::common::{AsRequestContext, FromContextPart};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::handler::extract::extension;

/// Bytes of the longest whole number.
const NUMBER_BYTES: usize = 20;

/// How long a step is tried while the store does not answer. Whatever was done before, it is done once.
const PATIENCE: Duration = Duration::from_secs(5);

/// Values that handlers store under keys. All workers share them, and they outlive the workers; with Redis as the bus,
/// a restart of the whole fleet as well.
///
/// A tool or prompt takes it as a parameter; any handler finds it in the extensions of its request. Choose first whose
/// values they are:
///
/// ```
/// # use prynai_worker_engine::State;
/// # use rmcp::ErrorData;
/// # struct Guestbook;
/// #[rmcp::tool_router]
/// impl Guestbook {
///     /// Counts the visits of whoever calls.
///     #[rmcp::tool]
///     async fn visit(&self, state: State) -> Result<String, ErrorData> {
///         let visits = state.principal().increment("visits", 1, None).await?;
///         Ok(format!("This is your visit number {visits}."))
///     }
/// }
/// ```
#[derive(Clone)]
pub struct State {
    store: Arc<dyn StateStore>,
    principal: Principal,
    session: Option<SessionId>,
}

/// The values of everybody, of one principal, or of one session. Keys of different owners never meet.
#[derive(Clone)]
pub struct ScopedState {
    store: Arc<dyn StateStore>,
    share: Share,
    scope: StateScope,
}

/// Why a value could not be read or written. Return it with `?`: the client is told no more than that it failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The store refused or cannot be reached.
    #[error("the state store: {0}")]
    Bus(#[from] BusError),
    /// The value cannot be written as JSON, or what is stored has another type.
    #[error("the value: {0}")]
    Value(#[from] serde_json::Error),
}

// === impl State ===

impl State {
    pub(crate) fn new(
        store: Arc<dyn StateStore>,
        principal: &Principal,
        session: Option<&SessionId>,
    ) -> Self {
        Self {
            store,
            principal: principal.clone(),
            session: session.cloned(),
        }
    }

    /// Values that every caller shares.
    pub fn global(&self) -> ScopedState {
        self.within(StateScope::Global)
    }

    /// Values of the principal who calls. Without authentication all callers are one principal, `anonymous`.
    pub fn principal(&self) -> ScopedState {
        self.within(StateScope::Principal(self.principal.subject.clone()))
    }

    /// Values of the client's session, which end with it. `None` in a request of the revision 2026-07-28, which has
    /// no sessions.
    pub fn session(&self) -> Option<ScopedState> {
        let session = self.session.clone()?;
        Some(self.within(StateScope::Session(session)))
    }

    fn within(&self, scope: StateScope) -> ScopedState {
        ScopedState {
            store: Arc::clone(&self.store),
            share: self.principal.share(),
            scope,
        }
    }
}

impl<C: AsRequestContext> FromContextPart<C> for State {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        extension(context, "State")
    }
}

// === impl ScopedState ===

impl ScopedState {
    /// Reads the value under `key`; `None` when there is none, or when its time is over.
    ///
    /// # Errors
    ///
    /// [`StateError`], also when what is stored does not fit the type.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StateError> {
        let stored = retry_while_away(|| self.store.get_state(&self.scope, key)).await?;
        Ok(stored.map(|text| serde_json::from_str(&text)).transpose()?)
    }

    /// Writes a value as JSON. It is kept for `ttl`, or for ever with `None`. Its bytes count for whoever calls: no
    /// caller may have more than `--caller-kept`.
    ///
    /// # Errors
    ///
    /// [`StateError`], also when the caller has as many bytes as it may.
    pub async fn set<T: Serialize + Sync>(
        &self,
        key: &str,
        value: &T,
        ttl: Option<Duration>,
    ) -> Result<(), StateError> {
        let text = serde_json::to_string(value)?;
        self.count(key, Some(text.len()), ttl).await?;
        Ok(retry_while_away(|| self.store.set_state(&self.scope, key, &text, ttl)).await?)
    }

    /// Removes a value; `false` when there was none.
    ///
    /// # Errors
    ///
    /// [`StateError`].
    pub async fn remove(&self, key: &str) -> Result<bool, StateError> {
        let operation = OperationId::generate();
        let remove = || self.store.remove_state(&self.scope, key, &operation);
        let removed = retry_while_away(remove).await?;
        self.count(key, None, None).await?;
        Ok(removed)
    }

    /// Counts the bytes of a value to the share of the caller; without `bytes` they count no more, if they did.
    async fn count(
        &self,
        key: &str,
        bytes: Option<usize>,
        ttl: Option<Duration>,
    ) -> Result<(), BusError> {
        let (share, scope) = (&self.share, &self.scope);
        retry_while_away(|| self.store.count_state(share, scope, key, bytes, ttl)).await
    }

    /// Adds `by` to a whole number and returns the sum, in one step for all workers; a missing number counts as 0. It
    /// is kept for `ttl` from now, or for ever with `None`.
    ///
    /// # Errors
    ///
    /// [`StateError`], also when what is stored is no whole number.
    pub async fn increment(
        &self,
        key: &str,
        by: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, StateError> {
        self.count(key, Some(NUMBER_BYTES), ttl).await?;
        let operation = OperationId::generate();
        let increment = || {
            self.store
                .increment_state(&self.scope, key, by, ttl, &operation)
        };
        Ok(retry_while_away(increment).await?)
    }
}

async fn retry_while_away<T, F: Future<Output = Result<T, BusError>>>(
    attempt: impl Fn() -> F,
) -> Result<T, BusError> {
    let mut backoff = Backoff::for_at_most(PATIENCE);
    loop {
        match attempt().await {
            Err(error) if error.is_passing() => {
                if !backoff.pause().await {
                    return Err(error);
                }
            }
            decided => return decided,
        }
    }
}

impl From<StateError> for ErrorData {
    /// Tells the client no more than that it failed: the reason may name the store.
    fn from(error: StateError) -> Self {
        if let StateError::Bus(BusError::ShareFull(full)) = &error {
            return Self::internal_error(full.to_string(), Some(json!({"reason": "caller_kept"})));
        }
        tracing::warn!(
            %error,
            source = "a handler",
            "the state store did not do what a handler asked for; the call gets an error"
        );
        Self::internal_error("the state store could not be used", None)
    }
}
