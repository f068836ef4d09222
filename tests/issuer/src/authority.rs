//! What all endpoints of the issuer have in common: who it is, what is registered, its keys, how it misbehaves.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rand::RngExt;

use crate::Options;
use crate::directory::{Directory, Version};
use crate::endpoints::error::Refusal;
use crate::endpoints::grants::Grants;
use crate::server::fault::Watch;
use crate::server::overheard::Secrets;
use crate::tokens::keys::{KeyRing, SigningKey};
use crate::tokens::twist::Twist;

/// What a path may say in place of a tenant.
pub(crate) const ANY_TENANT: [&str; 2] = ["common", "organizations"];

/// For how long Entra's access tokens are good: by chance, in seconds.
const LIFETIME_S: std::ops::RangeInclusive<i64> = 60 * 60..=90 * 60;

/// The state of one issuer.
pub(crate) struct Authority {
    /// Its own URL, without a slash at the end. Stands for `https://login.microsoftonline.com`.
    pub(crate) base: String,
    /// Stands for `https://sts.windows.net`.
    pub(crate) v1_base: String,
    pub(crate) advertise_s256: bool,
    pub(crate) auto_approve: bool,
    pub(crate) strict_resource: bool,
    pub(crate) adds_consented_scopes: bool,
    pub(crate) names_itself: bool,
    pub(crate) identity_header: String,
    pub(crate) watch: Watch,
    pub(crate) secrets: Arc<Secrets>,
    token_lifetime: Option<Duration>,
    directory: Mutex<Arc<Directory>>,
    keys: Mutex<KeyRing>,
    grants: Mutex<Grants>,
    twist: Mutex<Twist>,
}

impl Authority {
    pub(crate) fn new(base: String, key: SigningKey, options: Options) -> Self {
        Self {
            v1_base: options.v1_issuer_base.unwrap_or(base.clone()),
            base,
            advertise_s256: options.advertise_s256,
            auto_approve: options.auto_approve,
            strict_resource: options.strict_resource,
            adds_consented_scopes: options.adds_consented_scopes,
            names_itself: options.names_itself,
            identity_header: options.identity_header,
            watch: Watch::default(),
            secrets: Arc::default(),
            token_lifetime: options.token_lifetime,
            directory: Mutex::new(Arc::new(options.directory)),
            keys: Mutex::new(KeyRing::new(key)),
            grants: Mutex::default(),
            twist: Mutex::default(),
        }
    }

    pub(crate) fn directory(&self) -> Arc<Directory> {
        self.directory.lock().expect("is never poisoned").clone()
    }

    pub(crate) fn change_directory(&self, change: impl FnOnce(&mut Directory)) {
        let mut new = Directory::clone(&self.directory());
        change(&mut new);
        let checked = new.check();
        checked.unwrap_or_else(|reason| panic!("no such directory: {reason}"));
        *self.directory.lock().expect("is never poisoned") = Arc::new(new);
    }

    pub(crate) fn keys(&self) -> MutexGuard<'_, KeyRing> {
        self.keys.lock().expect("is never poisoned")
    }

    pub(crate) fn grants(&self) -> MutexGuard<'_, Grants> {
        self.grants.lock().expect("is never poisoned")
    }

    /// What is wrong with the tokens of the token endpoint now.
    pub(crate) fn twist(&self) -> Twist {
        self.twist.lock().expect("is never poisoned").clone()
    }

    pub(crate) fn set_twist(&self, twist: Twist) {
        *self.twist.lock().expect("is never poisoned") = twist;
    }

    /// Ends all misbehaviour for new requests.
    pub(crate) fn behave(&self) {
        self.set_twist(Twist::default());
        self.watch.forget();
    }

    /// Signs with a new key from now on; gives its `kid`.
    pub(crate) async fn rotate(&self) -> String {
        let key = tokio::task::spawn_blocking(SigningKey::generate).await;
        let key = key.expect("a key is made");
        let kid = key.kid.clone();
        self.keys().rotate(key);
        kid
    }

    /// For how many seconds the next token is good.
    pub(crate) fn lifetime_s(&self) -> i64 {
        match self.token_lifetime {
            Some(lifetime) => i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX / 2),
            None => rand::rng().random_range(LIFETIME_S),
        }
    }

    /// The tenant that a path names; who comes without one is at home in the first.
    pub(crate) fn home(&self, tenant: &str) -> Result<String, Refusal> {
        let directory = self.directory();
        if ANY_TENANT.contains(&tenant) {
            return Ok(directory.tenants[0].clone());
        }
        let known = directory.tenant(tenant).map(str::to_owned);
        known.ok_or_else(|| Refusal::unknown_tenant(tenant))
    }

    /// A key that no JWK set of the issuer has. The first call may take half a second.
    pub(crate) fn foreign_key(&self) -> SigningKey {
        let slot = self.keys().foreign();
        slot.get_or_init(SigningKey::generate).clone()
    }

    /// The `iss` of a tenant's tokens.
    pub(crate) fn issuer(&self, tenant: &str, version: Version) -> String {
        match version {
            Version::V1 => format!("{}/{tenant}/", self.v1_base),
            Version::V2 => format!("{}/{tenant}/v2.0", self.base),
        }
    }
}
