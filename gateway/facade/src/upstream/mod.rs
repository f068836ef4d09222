//! The issuer that people sign in at, and the façade's one registration there.

pub(crate) mod answer;
pub(crate) mod certificate;
pub(crate) mod credential;
pub(crate) mod http;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde::Deserialize;

use crate::refusal::Refusal;
use crate::upstream::answer::{Failure, Tokens};
use crate::upstream::credential::Credential;
use crate::upstream::http::Http;

/// How long metadata count before they are read again.
const FRESH: Duration = Duration::from_secs(3600);

/// Where the issuer's endpoints are (OpenID Connect Discovery 1.0, section 3).
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) issuer: String,
    pub(crate) authorization_endpoint: String,
    token_endpoint: String,
    pub(crate) jwks_uri: String,
}

/// The issuer.
pub(crate) struct Upstream {
    /// As its tokens write it.
    pub(crate) issuer: String,
    /// Of the registration there.
    pub(crate) client_id: String,
    /// What tokens are asked for, where the issuer wants to hear that (RFC 8707).
    pub(crate) resource: Option<String>,
    credential: Credential,
    http: Http,
    known: Mutex<Option<(Instant, Arc<Metadata>)>>,
}

/// Why the issuer gave no tokens.
#[derive(Debug)]
pub(crate) enum Denied {
    /// It refuses: its code, and what it says.
    Refused(String, String),
    /// It cannot be asked now.
    Away,
}

impl Upstream {
    pub(crate) fn new(
        issuer: String,
        client_id: String,
        resource: Option<String>,
        credential: Credential,
        http: Http,
    ) -> Self {
        Self {
            issuer,
            client_id,
            resource,
            credential,
            http,
            known: Mutex::default(),
        }
    }

    /// Where its endpoints are.
    ///
    /// # Errors
    ///
    /// When it does not say so now, and never did.
    pub(crate) async fn metadata(&self) -> Result<Arc<Metadata>, Refusal> {
        let known = self.known();
        if let Some((read, metadata)) = &known
            && read.elapsed() < FRESH
        {
            return Ok(metadata.clone());
        }
        match (self.read_metadata().await, known) {
            (Ok(metadata), _) => {
                let metadata = Arc::new(metadata);
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                *known = Some((Instant::now(), metadata.clone()));
                Ok(metadata)
            }
            (Err(_), Some((_, metadata))) => Ok(metadata),
            (Err(reason), None) => {
                tracing::warn!(reason, "nobody can sign in: the issuer cannot be asked");
                Err(Refusal::passing(
                    "the issuer cannot be asked now; try again",
                ))
            }
        }
    }

    fn known(&self) -> Option<(Instant, Arc<Metadata>)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    async fn read_metadata(&self) -> Result<Metadata, String> {
        let issuer = self.issuer.trim_end_matches('/');
        let url = format!("{issuer}/.well-known/openid-configuration");
        let (status, body) = self.http.get(&url).await?;
        if status != StatusCode::OK {
            return Err(format!("{url} answered {status}"));
        }
        let metadata: Metadata =
            serde_json::from_slice(&body).map_err(|error| format!("{url}: {error}"))?;
        // Byte for byte: OpenID Connect Discovery 1.0, section 4.3.
        if metadata.issuer != self.issuer {
            return Err(format!("{url} is of another issuer"));
        }
        let endpoints = [&metadata.authorization_endpoint, &metadata.token_endpoint];
        match endpoints.iter().all(|url| http::is_secured(url)) {
            true => Ok(metadata),
            false => Err(format!("{url} names an endpoint without https")),
        }
    }

    /// Tokens for what `fields` say: a code, or a refresh token.
    pub(crate) async fn tokens(&self, fields: &[(&str, &str)]) -> Result<Tokens, Denied> {
        let url = &self
            .metadata()
            .await
            .map_err(|_| Denied::Away)?
            .token_endpoint;
        let proof = self.credential.proof(&self.client_id, url).await;
        let proof = proof.map_err(away)?;
        let answer = self.ask(url, &self.client_id, fields, &proof).await;
        if let Err(Denied::Refused(error, said)) = &answer
            && matches!(error.as_str(), "invalid_client" | "unauthorized_client")
        {
            let reason = prynai_bus::shown::visible(said, 300).into_owned();
            tracing::error!(
                reason,
                "the issuer does not accept the façade's registration"
            );
        }
        answer
    }

    /// Tokens for somebody who is registered there itself, by what proves it.
    pub(crate) async fn tokens_of(
        &self,
        client_id: &str,
        proof: &[(&str, String)],
        fields: &[(&str, &str)],
    ) -> Result<Tokens, Denied> {
        let url = &self
            .metadata()
            .await
            .map_err(|_| Denied::Away)?
            .token_endpoint;
        self.ask(url, client_id, fields, proof).await
    }

    async fn ask(
        &self,
        url: &str,
        client_id: &str,
        fields: &[(&str, &str)],
        proof: &[(&str, String)],
    ) -> Result<Tokens, Denied> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", client_id)
            .extend_pairs(self.resource.iter().map(|resource| ("resource", resource)))
            .extend_pairs(fields)
            .extend_pairs(proof)
            .finish();
        let (status, body) = self.http.post(url, form).await.map_err(away)?;
        if status == StatusCode::OK {
            let tokens = serde_json::from_slice(&body);
            // The error would repeat a part of the tokens.
            return tokens.map_err(|_| away("its answer cannot be read".to_owned()));
        }
        match serde_json::from_slice::<Failure>(&body) {
            Ok(failure) if status.is_client_error() => {
                Err(Denied::Refused(failure.error, failure.error_description))
            }
            _ => Err(away(format!("{url} answered {status}"))),
        }
    }
}

fn away(reason: String) -> Denied {
    tracing::warn!(reason, "the issuer gives no tokens");
    Denied::Away
}
