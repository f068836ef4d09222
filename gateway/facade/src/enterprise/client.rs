//! Clients that may show assertions: they have a secret here, since a stolen assertion must be worth nothing
//! (draft-ietf-oauth-identity-assertion-authz-grant, section 8.1).

use prynai_process::secret::Secret;

use crate::sealed::digest;

/// Longest id, in bytes.
const MOST_OF_ID: usize = 256;

/// Lengths of a secret, in bytes.
const SECRET: std::ops::RangeInclusive<usize> = 16..=256;

/// A client with a secret.
#[derive(Debug, Clone)]
pub(crate) struct EnterpriseClient {
    pub(crate) id: String,
    /// Of the secret, so that a comparison tells nothing by the time it takes.
    digest: String,
}

impl EnterpriseClient {
    /// Reads ID=SECRET.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without repeating it.
    pub(crate) fn read(text: &Secret) -> Result<Self, &'static str> {
        let (id, secret) = text
            .expose()
            .split_once('=')
            .ok_or("--facade-enterprise-client is written ID=SECRET")?;
        let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
        if !(1..=MOST_OF_ID).contains(&id.len()) || !is_plain(id) {
            return Err(
                "an ID of --facade-enterprise-client has up to 256 visible ASCII characters",
            );
        }
        if !SECRET.contains(&secret.len()) || !is_plain(secret) {
            return Err(
                "a SECRET of --facade-enterprise-client has 16 to 256 visible ASCII characters",
            );
        }
        Ok(Self {
            id: id.to_owned(),
            digest: digest(secret),
        })
    }

    /// Whether it is who shows this.
    pub(crate) fn is(&self, id: &str, secret: &str) -> bool {
        self.id == id && self.digest == digest(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_an_id_and_a_long_secret() {
        let read = |text: &str| EnterpriseClient::read(&text.to_owned().into());
        let agent = read("agent=0123456789abcde=").expect("is good");
        assert!(agent.is("agent", "0123456789abcde="));
        assert!(!agent.is("agent", "0123456789abcde") && !agent.is("Agent", "0123456789abcde="));
        for bad in [
            "agent",
            "=0123456789abcdef",
            "agent=geheim",
            "agent=",
            "a b=0123456789abcdef",
        ] {
            let reason = read(bad).expect_err("is refused");
            assert!(!reason.contains("geheim"), "{reason}");
        }
        assert!(read(&format!("a={}", "x".repeat(256))).is_ok());
        assert!(read(&format!("a={}", "x".repeat(257))).is_err());
    }
}
