//! Settings of the façade.

use clap::Args;
use prynai_identity::Identity;
use prynai_process::secret::{Secret, check_keys};

use crate::clients::directory::FixedClient;
use crate::clients::redirects::RedirectRule;
use crate::clients::service::ServiceKeys;
use crate::enterprise::client::EnterpriseClient;
use crate::signing::{MOST_KEYS, SigningKey};
use crate::upstream::certificate::Certificate;
use crate::upstream::http::is_secured;

/// Longest id of the registration at the issuer, in bytes.
const MOST_OF_ID: usize = 256;

/// The identity that the platform names.
const DEFAULT: &str = "default";

/// How clients sign in at this server instead of at the issuer.
#[derive(Debug, Clone, Default, Args)]
pub struct FacadeSettings {
    /// Be the authorization server that clients see, in front of the issuer of --auth entra or oidc: clients
    /// register by themselves, and people sign in at the issuer (docs/security.md).
    #[arg(long, env = "PRYNAI_OAUTH_FACADE")]
    pub oauth_facade: bool,

    /// Client id of the one registration at the issuer that the façade signs people in with. Its redirect URI, on the
    /// platform Web, is the public URL with oauth/callback in place of mcp.
    #[arg(long, env = "PRYNAI_FACADE_CLIENT_ID", value_name = "ID", value_parser = client_id)]
    pub facade_client_id: Option<String>,

    /// Secret of that registration; better is a certificate or an identity.
    #[arg(
        long,
        env = "PRYNAI_FACADE_CLIENT_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub facade_client_secret: Option<Secret>,

    /// PEM file with a certificate of that registration and its RSA key.
    #[arg(long, env = "PRYNAI_FACADE_CERTIFICATE", value_name = "FILE")]
    pub facade_certificate: Option<Certificate>,

    /// Identity of this process that the registration trusts (a federated credential), in place of secret and
    /// certificate: its client id, or default for the one that the platform names. For a managed identity of a
    /// Container App, or a workload identity of a pod.
    #[arg(long, env = "PRYNAI_FACADE_IDENTITY", value_name = "CLIENT_ID")]
    pub facade_identity: Option<String>,

    /// Secret that seals what travels through clients and browsers, 32 characters or more and the same on all
    /// gateways. To replace it, give two, separated by a comma: the first one seals, both open.
    #[arg(
        long,
        env = "PRYNAI_FACADE_KEY",
        value_delimiter = ',',
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub facade_key: Vec<Secret>,

    /// Where clients that register may have codes sent: loopback (any program on the person's own machine), claude,
    /// vscode, cursor, chatgpt, a host name (any https URL there), or a whole URI. Repeat it or separate by commas
    /// [default: loopback,claude,vscode,cursor,chatgpt].
    #[arg(
        long,
        env = "PRYNAI_FACADE_REDIRECT",
        value_delimiter = ',',
        value_name = "RULE"
    )]
    pub facade_redirect: Vec<RedirectRule>,

    /// A client with an id of your choice, and where its codes may be sent: ID=URI. Repeat it for more clients, or
    /// more URIs of one; or separate by commas.
    #[arg(
        long,
        env = "PRYNAI_FACADE_CLIENT",
        value_delimiter = ',',
        value_name = "ID=URI"
    )]
    pub facade_client: Vec<FixedClient>,

    /// URL of an issuer (iss) whose identity assertions (ID-JAG) are good for tokens: the identity provider of an
    /// enterprise, which lets its people in without asking them. It needs --facade-enterprise-client and
    /// --facade-signing-key. Repeat it or separate by commas.
    #[arg(long, env = "PRYNAI_FACADE_ENTERPRISE_ISSUER", value_delimiter = ',', value_name = "URL", value_parser = issuer)]
    pub facade_enterprise_issuer: Vec<String>,

    /// A client that may show such assertions, with its secret of 16 characters or more: ID=SECRET. The assertions
    /// name it by this ID (client_id). Repeat it or separate by commas.
    #[arg(
        long,
        env = "PRYNAI_FACADE_ENTERPRISE_CLIENT",
        value_delimiter = ',',
        hide_env_values = true,
        value_name = "ID=SECRET"
    )]
    pub facade_enterprise_client: Vec<Secret>,

    /// A service that proves itself with a key of its own (private_key_jwt): its client id at the issuer, whose
    /// registration trusts the façade, and a PEM file of its public keys. It needs --facade-signing-key. Repeat it or
    /// separate by commas.
    #[arg(
        long,
        env = "PRYNAI_FACADE_SERVICE",
        value_delimiter = ',',
        value_name = "ID=FILE"
    )]
    pub facade_service: Vec<ServiceKeys>,

    /// PEM file with the RSA key that the façade signs with: its own access tokens, and its word for services. The same
    /// on all gateways. To replace it, give two, separated by a comma: the first one signs, both are accepted.
    #[arg(
        long,
        env = "PRYNAI_FACADE_SIGNING_KEY",
        value_delimiter = ',',
        value_name = "FILE"
    )]
    pub facade_signing_key: Vec<SigningKey>,
}

impl FacadeSettings {
    /// Checks what one setting alone does not show.
    ///
    /// # Errors
    ///
    /// What cannot work, in words.
    pub fn check(&self) -> Result<(), String> {
        let proofs = [
            (
                "--facade-client-secret",
                self.facade_client_secret.is_some(),
            ),
            ("--facade-certificate", self.facade_certificate.is_some()),
            ("--facade-identity", self.facade_identity.is_some()),
        ];
        if !self.oauth_facade {
            let others = [
                ("--facade-client-id", self.facade_client_id.is_some()),
                ("--facade-key", !self.facade_key.is_empty()),
                ("--facade-redirect", !self.facade_redirect.is_empty()),
                ("--facade-client", !self.facade_client.is_empty()),
                (
                    "--facade-enterprise-issuer",
                    !self.facade_enterprise_issuer.is_empty(),
                ),
                (
                    "--facade-enterprise-client",
                    !self.facade_enterprise_client.is_empty(),
                ),
                ("--facade-service", !self.facade_service.is_empty()),
                ("--facade-signing-key", !self.facade_signing_key.is_empty()),
            ];
            let stray = proofs.iter().chain(&others).find(|(_, is_set)| *is_set);
            return match stray {
                Some((flag, _)) => Err(format!("{flag} goes with --oauth-facade")),
                None => Ok(()),
            };
        }
        if self.facade_client_id.is_none() {
            return Err(
                "--oauth-facade needs --facade-client-id, its registration at the issuer"
                    .to_owned(),
            );
        }
        let given: Vec<&str> = proofs
            .iter()
            .filter(|(_, is_set)| *is_set)
            .map(|(flag, _)| *flag)
            .collect();
        match given.as_slice() {
            [_] => {}
            [] => {
                let all = proofs.map(|(flag, _)| flag).join(" or ");
                return Err(format!(
                    "--oauth-facade needs {all}, so that the issuer knows it"
                ));
            }
            several => return Err(format!("give only one of {}", several.join(" and "))),
        }
        if self.facade_key.is_empty() {
            return Err("--oauth-facade needs --facade-key, the same on all gateways".to_owned());
        }
        if self.facade_identity.is_some() {
            self.identity()?;
        }
        self.check_enterprise()?;
        check_keys("--facade-key", &self.facade_key)
    }

    fn check_enterprise(&self) -> Result<(), String> {
        let clients = self.enterprise_clients()?;
        if self.facade_signing_key.len() > MOST_KEYS {
            return Err("--facade-signing-key takes two files at most".to_owned());
        }
        let has_issuer = !self.facade_enterprise_issuer.is_empty();
        let has_service = !self.facade_service.is_empty();
        let needs = |what: &str, flag: &str| Err(format!("{what} needs {flag}"));
        match (has_issuer, !clients.is_empty()) {
            (true, false) => {
                return needs("--facade-enterprise-issuer", "--facade-enterprise-client");
            }
            (false, true) => {
                return needs("--facade-enterprise-client", "--facade-enterprise-issuer");
            }
            _ => {}
        }
        match (self.facade_signing_key.is_empty(), has_issuer, has_service) {
            (true, true, _) => needs("--facade-enterprise-issuer", "--facade-signing-key"),
            (true, _, true) => needs("--facade-service", "--facade-signing-key"),
            (false, false, false) => needs(
                "--facade-signing-key",
                "--facade-enterprise-issuer or --facade-service",
            ),
            _ => Ok(()),
        }
    }

    /// Who may show assertions.
    ///
    /// # Errors
    ///
    /// What is wrong with the setting, without repeating it.
    pub(crate) fn enterprise_clients(&self) -> Result<Vec<EnterpriseClient>, String> {
        let mut clients: Vec<EnterpriseClient> = Vec::new();
        for text in &self.facade_enterprise_client {
            clients.push(EnterpriseClient::read(text)?);
        }
        Ok(clients)
    }

    /// Who this process is.
    pub(crate) fn identity(&self) -> Result<Identity, String> {
        let client_id = self.facade_identity.as_deref();
        Identity::of_process(client_id.filter(|id| *id != DEFAULT))
            .ok_or_else(|| format!("--facade-identity: {}", Identity::NONE))
    }
}

pub(crate) fn client_id(text: &str) -> Result<String, String> {
    let is_plain = text.bytes().all(|b| b.is_ascii_graphic());
    match is_plain && (1..=MOST_OF_ID).contains(&text.len()) {
        true => Ok(text.to_owned()),
        false => Err("write up to 256 visible ASCII characters, without spaces".to_owned()),
    }
}

fn issuer(text: &str) -> Result<String, String> {
    match is_secured(text) && !text.contains(['?', '#', '@']) {
        true => Ok(text.to_owned()),
        false => Err("write an https URL without a query, as the issuer's tokens do".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused() {
        let good = FacadeSettings {
            oauth_facade: true,
            facade_client_id: Some("id".to_owned()),
            facade_client_secret: Some("geheim".to_owned().into()),
            facade_key: vec!["k".repeat(32).into()],
            ..FacadeSettings::default()
        };
        assert_eq!(good.check(), Ok(()));
        assert_eq!(FacadeSettings::default().check(), Ok(()));
        let changed = |change: fn(&mut FacadeSettings)| {
            let mut settings = good.clone();
            change(&mut settings);
            settings.check().expect_err("is refused")
        };
        for (reason, word) in [
            (changed(|s| s.oauth_facade = false), "goes with"),
            (changed(|s| s.facade_client_id = None), "--facade-client-id"),
            (
                changed(|s| s.facade_client_secret = None),
                "--facade-certificate",
            ),
            (changed(|s| s.facade_key.clear()), "--facade-key"),
            (
                changed(|s| s.facade_key = vec!["geheim".to_owned().into()]),
                "32 characters",
            ),
            (
                changed(|s| s.facade_enterprise_client = vec!["a=geheim".to_owned().into()]),
                "16 to 256",
            ),
            (
                changed(|s| {
                    s.facade_enterprise_client = vec!["a=geheimgeheimgeheim".to_owned().into()];
                }),
                "--facade-enterprise-issuer",
            ),
            (
                changed(|s| s.facade_enterprise_issuer = vec!["https://a".to_owned()]),
                "--facade-enterprise-client",
            ),
        ] {
            assert!(
                reason.contains(word) && !reason.contains("geheim"),
                "{reason}"
            );
        }
        assert!(client_id("").is_err() && client_id("a b").is_err());
        assert!(client_id(&"a".repeat(MOST_OF_ID)).is_ok());
        assert!(client_id(&"a".repeat(MOST_OF_ID + 1)).is_err());
    }
}
