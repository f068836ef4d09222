//! How the façade proves to the issuer that it is the one that is registered there.

use prynai_identity::Asker;
use prynai_process::secret::Secret;

use crate::upstream::certificate::Certificate;

/// What says that an assertion is a JWT (RFC 7523, section 2.2).
pub(crate) const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How it proves that.
pub(crate) enum Credential {
    /// It knows what only the registration has (RFC 6749, section 2.3.1).
    Secret(Secret),
    /// It signs with a key whose certificate the registration has (`private_key_jwt`).
    Certificate(Certificate),
    /// It is what the registration trusts (a federated identity credential).
    Identity(Box<Asker>),
}

impl Credential {
    /// The parameters of a request to `token_endpoint`.
    ///
    /// # Errors
    ///
    /// Why there is no proof now.
    pub(crate) async fn proof(
        &self,
        client_id: &str,
        token_endpoint: &str,
    ) -> Result<Vec<(&'static str, String)>, String> {
        let assertion = match self {
            Self::Secret(secret) => return Ok(vec![("client_secret", secret.expose().to_owned())]),
            Self::Certificate(certificate) => certificate.assertion(client_id, token_endpoint)?,
            Self::Identity(asker) => asker.assertion().await?,
        };
        Ok(vec![
            ("client_assertion_type", ASSERTION.to_owned()),
            ("client_assertion", assertion),
        ])
    }
}
