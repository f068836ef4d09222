//! What a JWT claims before anything of it is checked: who signed it with which key, and what it is.

use jsonwebtoken::{Algorithm, dangerous, decode_header};
use serde::Deserialize;

use crate::auth::issuer::jwks::MAX_KID_BYTES;
use crate::refusal::Flaw;

/// Read to know whose keys to check with.
pub(crate) struct Unchecked {
    pub(crate) kid: String,
    /// `iss`.
    pub(crate) issuer: String,
    /// `typ`.
    pub(crate) typ: Option<String>,
}

#[derive(Deserialize)]
struct Claimed {
    iss: String,
}

impl Unchecked {
    /// # Errors
    ///
    /// Why it is nothing that can be checked.
    pub(crate) fn read(token: &str) -> Result<Self, Flaw> {
        let malformed = Flaw("malformed", "the token is no JWT that is signed with RS256");
        // A JWE has five parts.
        if token.split('.').count() != 3 {
            return Err(malformed);
        }
        let Ok(header) = decode_header(token) else {
            return Err(malformed);
        };
        if header.alg != Algorithm::RS256 {
            return Err(malformed);
        }
        // RFC 7515, section 4.1.11: we understand no extension.
        if header.crit.is_some() {
            return Err(Flaw(
                "extension",
                "the token needs an extension (crit) that this server does not know",
            ));
        }
        let kid = header.kid.filter(|kid| kid.len() <= MAX_KID_BYTES);
        let kid = kid.ok_or(Flaw("key", "the token does not name its key (kid)"))?;
        let claimed = dangerous::insecure_decode_claims::<Claimed>(token);
        let issuer = claimed
            .map_err(|_| Flaw("issuer", "the token does not say who issued it (iss)"))?
            .iss;
        let typ = header.typ;
        Ok(Self { kid, issuer, typ })
    }
}
