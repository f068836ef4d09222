//! What all endpoints of the issuer have in common: who it is, what is registered, its keys, how it misbehaves.

use std::sync::{Arc, Mutex, MutexGuard};

use super::directory::{Directory, Version};
use super::fault::Watch;
use super::keys::{KeyRing, SigningKey};

/// The state of one issuer.
pub(crate) struct Authority {
    /// Its own URL, without a slash at the end. Stands for `https://login.microsoftonline.com`.
    pub(crate) base: String,
    /// Stands for `https://sts.windows.net`.
    pub(crate) v1_base: String,
    /// Whether metadata say that S256 is supported, and are served under RFC 8414's name as well.
    pub(crate) advertise_s256: bool,
    pub(crate) watch: Watch,
    directory: Mutex<Arc<Directory>>,
    keys: Mutex<KeyRing>,
}

impl Authority {
    pub(crate) fn new(
        base: String,
        v1_base: String,
        advertise_s256: bool,
        directory: Directory,
        key: SigningKey,
    ) -> Self {
        Self {
            base,
            v1_base,
            advertise_s256,
            watch: Watch::default(),
            directory: Mutex::new(Arc::new(directory)),
            keys: Mutex::new(KeyRing::new(key)),
        }
    }

    pub(crate) fn directory(&self) -> Arc<Directory> {
        self.directory.lock().expect("is never poisoned").clone()
    }

    pub(crate) fn change_directory(&self, change: impl FnOnce(&mut Directory)) {
        let mut directory = self.directory.lock().expect("is never poisoned");
        change(Arc::make_mut(&mut directory));
    }

    pub(crate) fn keys(&self) -> MutexGuard<'_, KeyRing> {
        self.keys.lock().expect("is never poisoned")
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
