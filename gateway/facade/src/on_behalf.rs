//! Tokens for other APIs, which a registration at Entra ID gets for its callers (learn.microsoft.com/entra/
//! identity-platform/v2-oauth2-on-behalf-of-flow) or for itself. It must be the registration of the API that callers
//! have their tokens for: Entra ID takes no token that was given to another one (AADSTS500131).

use std::sync::Arc;

use clap::Args;
use prynai_identity::{Asker, Identity};
use prynai_process::secret::Secret;
use rustls::RootCertStore;

use crate::settings::client_id;
use crate::upstream::certificate::Certificate;
use crate::upstream::credential::Credential;
use crate::upstream::http::Http;
use crate::upstream::{Denied, Upstream};

/// The grant (RFC 7523, section 2.1).
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The identity that the platform names.
const DEFAULT: &str = "default";

/// How long a token is good when the issuer does not say so, in seconds.
const UNTOLD_S: u64 = 300;

/// How tools act on behalf of their callers at other APIs.
#[derive(Debug, Clone, Default, Args)]
pub struct OnBehalfSettings {
    /// Client id of the API's own registration at Entra ID, with which gateways get tokens for other APIs: of callers
    /// of tools that name scopes of these (docs/tools.md). It goes with --auth entra and one --auth-tenant, and with a
    /// Redis it needs --downstream-key.
    #[arg(long, env = "PRYNAI_DOWNSTREAM_CLIENT_ID", value_name = "ID", value_parser = client_id)]
    pub downstream_client_id: Option<String>,

    /// Secret of that registration; better is a certificate or an identity.
    #[arg(
        long,
        env = "PRYNAI_DOWNSTREAM_CLIENT_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub downstream_client_secret: Option<Secret>,

    /// PEM file with a certificate of that registration and its RSA key.
    #[arg(long, env = "PRYNAI_DOWNSTREAM_CERTIFICATE", value_name = "FILE")]
    pub downstream_certificate: Option<Certificate>,

    /// Identity of this process that the registration trusts (a federated credential), in place of secret and
    /// certificate: its client id, or default for the one that the platform names.
    #[arg(long, env = "PRYNAI_DOWNSTREAM_IDENTITY", value_name = "CLIENT_ID")]
    pub downstream_identity: Option<String>,

    /// Let tools act for applications that call by themselves, too: with what the API's registration itself may do at
    /// the other API (client credentials), as no person is behind the call.
    #[arg(long, env = "PRYNAI_DOWNSTREAM_APPS")]
    pub downstream_apps: bool,
}

/// Gets tokens for other APIs.
pub struct OnBehalf(Upstream);

/// A token for another API.
pub struct Given {
    /// The token.
    pub token: String,
    /// For how many seconds it is good.
    pub life_s: u64,
}

/// Why there is none.
#[derive(Debug)]
pub enum NotGiven {
    /// The issuer refuses, in its words.
    Refused(String),
    /// The issuer cannot be asked now.
    Away,
}

impl OnBehalfSettings {
    /// Checks what one setting alone does not show.
    ///
    /// # Errors
    ///
    /// What cannot work, in words.
    pub fn check(&self) -> Result<(), String> {
        let proofs = [
            (
                "--downstream-client-secret",
                self.downstream_client_secret.is_some(),
            ),
            (
                "--downstream-certificate",
                self.downstream_certificate.is_some(),
            ),
            ("--downstream-identity", self.downstream_identity.is_some()),
        ];
        let given: Vec<&str> = proofs
            .iter()
            .filter(|(_, is_set)| *is_set)
            .map(|(flag, _)| *flag)
            .collect();
        match (&self.downstream_client_id, given.as_slice()) {
            (None, [flag, ..]) => Err(format!("{flag} goes with --downstream-client-id")),
            (None, []) if self.downstream_apps => {
                Err("--downstream-apps goes with --downstream-client-id".to_owned())
            }
            (None, []) => Ok(()),
            (Some(_), []) => {
                let all = proofs.map(|(flag, _)| flag).join(" or ");
                Err(format!("--downstream-client-id needs {all}"))
            }
            (Some(_), [_]) => match self.downstream_identity {
                Some(_) => self.identity().map(drop),
                None => Ok(()),
            },
            (Some(_), several) => Err(format!("give only one of {}", several.join(" and "))),
        }
    }

    fn identity(&self) -> Result<Identity, String> {
        let client_id = self.downstream_identity.as_deref();
        Identity::of_process(client_id.filter(|id| *id != DEFAULT))
            .ok_or_else(|| format!("--downstream-identity: {}", Identity::NONE))
    }
}

impl OnBehalf {
    /// With the registration that the settings name at `issuer`, if they do. `roots`: the authorities of its
    /// certificate, else the public ones.
    ///
    /// # Errors
    ///
    /// What the settings lack.
    pub fn new(
        settings: &OnBehalfSettings,
        issuer: String,
        roots: Option<Arc<RootCertStore>>,
    ) -> Result<Option<Self>, String> {
        settings.check()?;
        let Some(client_id) = settings.downstream_client_id.clone() else {
            return Ok(None);
        };
        let proofs = (
            &settings.downstream_client_secret,
            &settings.downstream_certificate,
        );
        let credential = match proofs {
            (Some(secret), _) => Credential::Secret(secret.clone()),
            (None, Some(certificate)) => Credential::Certificate(certificate.clone()),
            (None, None) => Credential::Identity(Box::new(Asker::new(settings.identity()?))),
        };
        let upstream = Upstream::new(issuer, client_id, None, credential, Http::new(roots));
        Ok(Some(Self(upstream)))
    }

    /// A token of the person who has called with `token`.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub async fn of_person(&self, token: &str, scope: &str) -> Result<Given, NotGiven> {
        let fields = [
            ("grant_type", GRANT),
            ("requested_token_use", "on_behalf_of"),
            ("assertion", token),
            ("scope", scope),
        ];
        self.ask(&fields).await
    }

    /// A token of the registration itself, for the API that a scope belongs to.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub async fn of_itself(&self, scope: &str) -> Result<Given, NotGiven> {
        let api = scope.rsplit_once('/').map_or("", |(api, _)| api);
        let all = format!("{api}/.default");
        let fields = [("grant_type", "client_credentials"), ("scope", &*all)];
        self.ask(&fields).await
    }

    async fn ask(&self, fields: &[(&str, &str)]) -> Result<Given, NotGiven> {
        match self.0.tokens(fields).await {
            Ok(tokens) => Ok(Given {
                life_s: tokens.lifetime_s().unwrap_or(UNTOLD_S),
                token: tokens.access_token,
            }),
            Err(Denied::Refused(error, said)) => Err(NotGiven::Refused(format!("{error}: {said}"))),
            Err(Denied::Away) => Err(NotGiven::Away),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_proves_itself_in_one_way() {
        let settings = |change: fn(&mut OnBehalfSettings)| {
            let mut settings = OnBehalfSettings {
                downstream_client_id: Some("id".to_owned()),
                downstream_client_secret: Some("geheim".to_owned().into()),
                ..OnBehalfSettings::default()
            };
            change(&mut settings);
            settings.check()
        };
        assert_eq!(settings(|_| {}), Ok(()));
        assert_eq!(OnBehalfSettings::default().check(), Ok(()));
        for (said, word) in [
            (settings(|s| s.downstream_client_id = None), "goes with"),
            (settings(|s| s.downstream_client_secret = None), "needs"),
            (
                settings(|s| s.downstream_identity = Some("default".to_owned())),
                "only one",
            ),
            (
                OnBehalfSettings {
                    downstream_apps: true,
                    ..OnBehalfSettings::default()
                }
                .check(),
                "goes with",
            ),
        ] {
            let said = said.expect_err("is refused");
            assert!(said.contains(word) && !said.contains("geheim"), "{said}");
        }
    }
}
