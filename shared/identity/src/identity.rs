//! Who a process is.

use std::path::PathBuf;

use prynai_process::secret::Secret;

/// Who a process is for Entra ID, as its platform says it.
#[derive(Debug, Clone)]
pub enum Identity {
    /// A managed identity of Azure Container Apps or App Service, which an endpoint beside the process speaks for
    /// (learn.microsoft.com/azure/container-apps/managed-identity, "Connect to Azure services in app code").
    Managed {
        /// Where it is asked.
        endpoint: String,
        /// What shows that it is this process that asks.
        header: Secret,
        /// Which of its identities; the system-assigned one without.
        client_id: Option<String>,
    },
    /// A workload identity of Kubernetes: a file has what proves it (azure.github.io/azure-workload-identity).
    Workload {
        /// Where Entra ID is.
        authority: String,
        /// The directory.
        tenant: String,
        /// Which application the identity belongs to.
        client_id: String,
        /// The file.
        proof: PathBuf,
    },
}

impl Identity {
    /// Who this process is, by its environment. `client_id`: which of its identities, if the settings say so; else
    /// `AZURE_CLIENT_ID` does. `None` when it has none.
    pub fn of_process(client_id: Option<&str>) -> Option<Self> {
        Self::told_by(client_id, |name| std::env::var(name).ok())
    }

    /// The same, told by these variables.
    pub fn told_by(
        client_id: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Option<Self> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let client_id = client_id
            .map(str::to_owned)
            .or_else(|| variable("AZURE_CLIENT_ID"));
        if let (Some(endpoint), Some(header)) =
            (variable("IDENTITY_ENDPOINT"), variable("IDENTITY_HEADER"))
        {
            return Some(Self::Managed {
                endpoint,
                header: header.into(),
                client_id,
            });
        }
        let authority = variable("AZURE_AUTHORITY_HOST");
        Some(Self::Workload {
            proof: variable("AZURE_FEDERATED_TOKEN_FILE")?.into(),
            tenant: variable("AZURE_TENANT_ID")?,
            client_id: client_id?,
            authority: authority.unwrap_or_else(|| "https://login.microsoftonline.com".to_owned()),
        })
    }

    /// What to say when there is none.
    pub const NONE: &str = "no identity is found: a Container App with a managed identity sets IDENTITY_ENDPOINT and \
        IDENTITY_HEADER, a pod with a workload identity sets AZURE_FEDERATED_TOKEN_FILE, AZURE_TENANT_ID and \
        AZURE_CLIENT_ID";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(client_id: Option<&str>, variables: &[(&str, &str)]) -> Option<Identity> {
        Identity::told_by(client_id, |name| {
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
        let Some(Identity::Managed {
            client_id: None, ..
        }) = told(None, &managed)
        else {
            panic!("is the system-assigned one");
        };
        let both = [&managed[..], &[("AZURE_CLIENT_ID", "other")]].concat();
        let Some(Identity::Managed { client_id, .. }) = told(Some("own"), &both) else {
            panic!("is a managed one");
        };
        assert_eq!(client_id.as_deref(), Some("own"));
        let pod = [
            ("AZURE_FEDERATED_TOKEN_FILE", "/token"),
            ("AZURE_TENANT_ID", "tenant"),
            ("AZURE_CLIENT_ID", "client"),
        ];
        let Some(Identity::Workload { authority, .. }) = told(None, &pod) else {
            panic!("is a workload identity");
        };
        assert_eq!(authority, "https://login.microsoftonline.com");
        assert!(told(None, &pod[..2]).is_none());
        assert!(Identity::NONE.contains("AZURE_CLIENT_ID"));
    }
}
