//! Asks for tokens.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use url::form_urlencoded::Serializer;

use serde::Deserialize;

use crate::identity::Identity;

/// What a managed identity proves itself with to an application that trusts it
/// (learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity).
const EXCHANGE: &str = "api://AzureADTokenExchange";

/// The version of the endpoint of managed identities.
const API_VERSION: &str = "2019-08-01";

/// How a workload identity proves itself (RFC 7523, section 2.2).
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Longest answer, in bytes; a token has about 2 KB.
const MAX_BYTES: usize = 64 * 1024;

/// Time for one answer, from connecting to its last byte.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks for tokens of one identity.
pub struct Asker {
    identity: Identity,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Asker {
    /// Asks for those of this identity.
    pub fn new(identity: Identity) -> Self {
        // An error means that the process has a default already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            // The endpoint of a managed identity is beside the process, without TLS.
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            // Asked once an hour: a connection would be dead by then.
            .pool_max_idle_per_host(0)
            .build(connector);
        Self { identity, client }
    }

    /// A token for `resource`, as Entra ID answers it: JSON with an `access_token`.
    ///
    /// # Errors
    ///
    /// Why there is none: without anything secret, and with who was asked.
    pub async fn token(&self, resource: &str) -> Result<Bytes, String> {
        let (place, request) = self.request(resource).await?;
        let answer = tokio::time::timeout(TIMEOUT, self.answer(request));
        let answer = answer
            .await
            .unwrap_or_else(|_| Err(format!("it did not answer within {} s", TIMEOUT.as_secs())));
        answer.map_err(|reason| format!("{place}: {reason}"))
    }

    /// What proves to Entra ID that this process is an application that trusts its identity: a client assertion
    /// (RFC 7523, section 2.2).
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub async fn assertion(&self) -> Result<String, String> {
        #[derive(Deserialize)]
        struct Answer {
            access_token: String,
        }
        if let Identity::Workload { proof, .. } = &self.identity {
            return read(proof).await;
        }
        let answer: Result<Answer, _> = serde_json::from_slice(&self.token(EXCHANGE).await?);
        // Not its text: that is the token.
        let answer = answer.map_err(|_| "the identity answers no JSON with an access_token");
        Ok(answer?.access_token)
    }

    /// Who is asked, and what.
    async fn request(&self, resource: &str) -> Result<(String, Request<Full<Bytes>>), String> {
        let (place, request) = match &self.identity {
            Identity::Managed {
                endpoint,
                header,
                client_id,
            } => {
                let mut query = Serializer::new(String::new());
                query.append_pair("api-version", API_VERSION);
                query.append_pair("resource", resource);
                if let Some(client_id) = client_id {
                    query.append_pair("client_id", client_id);
                }
                let request = Request::get(format!("{endpoint}?{}", query.finish()))
                    .header("x-identity-header", header.expose())
                    .header(ACCEPT, "application/json")
                    .body(Full::default());
                (endpoint.clone(), request)
            }
            Identity::Workload {
                authority,
                tenant,
                client_id,
                proof,
            } => {
                let proof = read(proof).await?;
                let authority = authority.trim_end_matches('/');
                let place = format!("{authority}/{tenant}/oauth2/v2.0/token");
                let mut form = Serializer::new(String::new());
                form.append_pair("grant_type", "client_credentials");
                form.append_pair("client_id", client_id);
                form.append_pair("scope", &format!("{resource}/.default"));
                form.append_pair("client_assertion_type", ASSERTION);
                form.append_pair("client_assertion", &proof);
                let request = Request::post(&place)
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .header(ACCEPT, "application/json")
                    .body(Full::from(form.finish()));
                (place, request)
            }
        };
        match request {
            Ok(request) => Ok((place, request)),
            Err(error) => Err(format!("{place}: {error}")),
        }
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> Result<Bytes, String> {
        let response = self.client.request(request).await;
        let response = response.map_err(|error| with_causes(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_BYTES).collect();
        let body = body.await.map_err(|error| error.to_string())?.to_bytes();
        if status != StatusCode::OK {
            return Err(refusal(status, &body));
        }
        Ok(body)
    }
}

/// What proves a workload identity. Kubernetes replaces it within the hour.
async fn read(proof: &Path) -> Result<String, String> {
    let file = proof.to_owned();
    let read = tokio::task::spawn_blocking(|| std::fs::read_to_string(file)).await;
    let read = read.unwrap_or_else(|error| Err(error.into()));
    let read = read.map_err(|error| format!("{}: {error}", proof.display()))?;
    Ok(read.trim().to_owned())
}

/// What a refusal says of itself (RFC 6749, section 5.2), so that an operator need not guess.
fn refusal(status: StatusCode, body: &[u8]) -> String {
    /// Most characters of it that are told.
    const MOST: usize = 300;

    #[derive(serde::Deserialize)]
    struct Said {
        #[serde(alias = "message")]
        error_description: String,
    }
    match serde_json::from_slice::<Said>(body) {
        Ok(said) => {
            let said = prynai_bus::shown::visible(&said.error_description, MOST);
            format!("it answered {status}: {said}")
        }
        Err(_) => format!("it answered {status}"),
    }
}

/// An error's own text says little; what it comes from says more.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    causes.join(": ")
}
