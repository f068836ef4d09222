//! With what a process signs in to Redis.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use prynai_process::secret::Secret;

use crate::settings::RedisUrl;

/// With what a process signs in to Redis.
#[derive(Debug, Clone, Default, Args)]
pub struct RedisSignInSettings {
    /// With what this process signs in to Redis.
    #[arg(
        long,
        env = "PRYNAI_REDIS_AUTH",
        value_name = "HOW",
        value_enum,
        default_value_t = RedisAuth::Url
    )]
    pub redis_auth: RedisAuth,

    /// Client id of the user-assigned identity that `--redis-auth entra` uses [default: AZURE_CLIENT_ID; without that
    /// the system-assigned identity].
    #[arg(long, env = "PRYNAI_REDIS_IDENTITY", value_name = "CLIENT_ID")]
    pub redis_identity: Option<String>,
}

/// With what a process signs in to Redis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum RedisAuth {
    /// User and password of the URL, or nothing
    #[default]
    Url,
    /// Tokens of Microsoft Entra ID, for the managed identity of a Container App or the workload identity of a pod
    Entra,
}

/// Who this process is for Entra ID, as its platform says it.
#[derive(Debug, Clone)]
pub(super) enum Identity {
    /// A managed identity of Azure Container Apps or App Service, which an endpoint beside the process speaks for
    /// (learn.microsoft.com/azure/container-apps/managed-identity, "Connect to Azure services in app code").
    Managed {
        endpoint: String,
        header: Secret,
        client_id: Option<String>,
    },
    /// A workload identity of Kubernetes: a file has what proves it (azure.github.io/azure-workload-identity).
    Workload {
        authority: String,
        tenant: String,
        client_id: String,
        proof: PathBuf,
    },
}

impl RedisSignInSettings {
    /// Refuses what cannot work with this Redis.
    ///
    /// # Errors
    ///
    /// Which setting is wrong and what it may be.
    pub fn check(&self, url: Option<&RedisUrl>) -> Result<(), String> {
        if self.redis_auth == RedisAuth::Url {
            return match self.redis_identity {
                Some(_) => Err("--redis-identity is for --redis-auth entra".to_owned()),
                None => Ok(()),
            };
        }
        let address = url.ok_or("--redis-auth entra needs --redis-url")?.address();
        if !address.uses_tls() {
            return Err(
                "--redis-auth entra needs a --redis-url that begins with rediss: whoever reads a token on its way may \
                 use it"
                    .to_owned(),
            );
        }
        if !address.is_one_server() {
            return Err("--redis-auth entra is for one address, not for Sentinels".to_owned());
        }
        if address.has_credentials() {
            return Err(
                "--redis-auth entra takes user and password from Entra ID; leave them out of --redis-url".to_owned(),
            );
        }
        self.identity().map(drop)
    }

    /// Who this process is, if it signs in with Entra ID.
    pub(super) fn identity(&self) -> Result<Option<Identity>, String> {
        match self.redis_auth {
            RedisAuth::Url => Ok(None),
            RedisAuth::Entra => self.told_by(|name| std::env::var(name).ok()).map(Some),
        }
    }

    fn told_by(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Identity, String> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let client_id = self
            .redis_identity
            .clone()
            .or_else(|| variable("AZURE_CLIENT_ID"));
        if let (Some(endpoint), Some(header)) =
            (variable("IDENTITY_ENDPOINT"), variable("IDENTITY_HEADER"))
        {
            return Ok(Identity::Managed {
                endpoint,
                header: header.into(),
                client_id,
            });
        }
        if let (Some(proof), Some(tenant), Some(client_id)) = (
            variable("AZURE_FEDERATED_TOKEN_FILE"),
            variable("AZURE_TENANT_ID"),
            client_id,
        ) {
            let authority = variable("AZURE_AUTHORITY_HOST");
            return Ok(Identity::Workload {
                authority: authority
                    .unwrap_or_else(|| "https://login.microsoftonline.com".to_owned()),
                tenant,
                client_id,
                proof: proof.into(),
            });
        }
        Err(
            "--redis-auth entra finds no identity: a Container App with a managed identity sets IDENTITY_ENDPOINT and \
             IDENTITY_HEADER, a pod with a workload identity sets AZURE_FEDERATED_TOKEN_FILE, AZURE_TENANT_ID and \
             AZURE_CLIENT_ID"
                .to_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entra() -> RedisSignInSettings {
        RedisSignInSettings {
            redis_auth: RedisAuth::Entra,
            redis_identity: None,
        }
    }

    fn told(
        settings: &RedisSignInSettings,
        variables: &[(&str, &str)],
    ) -> Result<Identity, String> {
        settings.told_by(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_platform_says_who_the_process_is() {
        let managed = [
            ("IDENTITY_ENDPOINT", "http://localhost/msi"),
            ("IDENTITY_HEADER", "h"),
        ];
        let Ok(Identity::Managed {
            client_id: None, ..
        }) = told(&entra(), &managed)
        else {
            panic!("is the system-assigned one");
        };
        let own = RedisSignInSettings {
            redis_identity: Some("own".to_owned()),
            ..entra()
        };
        let both = [&managed[..], &[("AZURE_CLIENT_ID", "other")]].concat();
        let Ok(Identity::Managed { client_id, .. }) = told(&own, &both) else {
            panic!("is a managed one");
        };
        assert_eq!(client_id.as_deref(), Some("own"));
        let pod = [
            ("AZURE_FEDERATED_TOKEN_FILE", "/token"),
            ("AZURE_TENANT_ID", "tenant"),
            ("AZURE_CLIENT_ID", "client"),
        ];
        let Ok(Identity::Workload { authority, .. }) = told(&entra(), &pod) else {
            panic!("is a workload identity");
        };
        assert_eq!(authority, "https://login.microsoftonline.com");
        let nobody = told(&entra(), &pod[..2]).expect_err("is nobody");
        assert!(nobody.contains("AZURE_CLIENT_ID"), "{nobody}");
    }

    #[test]
    fn what_would_show_a_token_or_ignore_a_password_is_refused() {
        for (url, word) in [
            ("redis://host:10000", "rediss"),
            ("rediss://user:geheim@host:10000", "leave them out"),
            ("rediss+sentinel://one/main", "Sentinels"),
        ] {
            let url = url.parse().expect("a URL");
            let reason = entra().check(Some(&url)).expect_err("is refused");
            assert!(
                reason.contains(word) && !reason.contains("geheim"),
                "{reason}"
            );
        }
        assert!(entra().check(None).is_err());
        let stray = RedisSignInSettings {
            redis_auth: RedisAuth::Url,
            redis_identity: Some("x".to_owned()),
        };
        assert!(stray.check(None).is_err());
    }
}
