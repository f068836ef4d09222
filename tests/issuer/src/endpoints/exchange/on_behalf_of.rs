//! Tokens on behalf of a person who has called the client.
//!
//! Sources: RFC 7523, section 2.1; learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow;
//! github.com/microsoft/mcp/issues/2192 for callers that are no persons.

use serde_json::Value;

use super::{Exchange, needed};
use crate::directory::{Platform, User, Version, object_id};
use crate::endpoints::error::Refusal;
use crate::endpoints::grants::SignIn;
use crate::tokens::jwt::Jwt;

pub(super) const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

impl Exchange<'_> {
    pub(super) fn on_behalf_of(&self, tenant: &str) -> Result<Value, Refusal> {
        self.check_platform(Platform::Web)?;
        let assertion = needed(&self.request.assertion, "assertion")?;
        if needed(&self.request.requested_token_use, "requested_token_use")? != "on_behalf_of" {
            return Err(Refusal::malformed());
        }
        let jwt = Jwt::read(assertion).ok_or_else(|| {
            Refusal::new(
                "invalid_request",
                50_027,
                "JWT token is invalid or malformed.",
            )
        })?;
        self.check_own(&jwt, tenant, &[Version::V1, Version::V2])?;
        self.check_audience(&jwt)?;
        if jwt.claim("scp").is_none() {
            return Err(self.for_persons_only());
        }
        let user = self.bearer(&jwt, tenant)?;
        let asked = self.asked_for_user().map_err(Refusal::without_a_person)?;
        let api = asked.find_api(self.directory);
        if api.conditional_access {
            return Err(Refusal::interaction_required(&api.client_id));
        }
        self.for_user(SignIn {
            tenant: tenant.to_owned(),
            client: self.client.client_id.clone(),
            user: user.name.clone(),
            asked,
            nonce: None,
            platform: Platform::Web,
        })
    }

    /// A token of this issuer for this tenant, and still good.
    pub(super) fn check_own(
        &self,
        jwt: &Jwt,
        tenant: &str,
        versions: &[Version],
    ) -> Result<(), Refusal> {
        let failed = |reason: &str| {
            let message = format!("Assertion failed signature validation. [Reason - {reason}]");
            Refusal::new("invalid_grant", 50_013, message)
        };
        let kid = jwt.header("kid").unwrap_or_default();
        let key = self.authority.keys().find(kid);
        let key = key.ok_or_else(|| failed("The key was not found."))?;
        if !jwt.is_signed_with(key.public_key()) {
            return Err(failed(
                "The provided signature value did not match the expected signature value.",
            ));
        }
        let mut issuers = versions.iter().map(|v| self.authority.issuer(tenant, *v));
        let issuer = jwt.claim("iss").unwrap_or_default();
        if !issuers.any(|own| own == issuer) {
            return Err(failed("The issuer is another tenant."));
        }
        if !jwt.is_current(self.now_s) {
            return Err(Refusal::new(
                "invalid_grant",
                500_133,
                "Assertion is not within its valid time range. Ensure that the access token is not expired before using \
                 it for user assertion, or request a new token.",
            ));
        }
        Ok(())
    }

    /// The token was given to the client: it is for the API that the client is.
    fn check_audience(&self, jwt: &Jwt) -> Result<(), Refusal> {
        let own = &self.client.client_id;
        let audience = jwt.claim("aud").unwrap_or_default();
        let api = self.directory.api(audience);
        if audience == own || api.is_some_and(|api| api.client_id == *own) {
            return Ok(());
        }
        let message = format!(
            "Assertion audience does not match the Client app presenting the assertion. The audience in the assertion was \
             '{audience}' and the expected audience is '{own}' or one of the Application Uris of this application with \
             App ID '{own}'({}). The downstream client must request a token for the expected audience (the application \
             that made the OBO request) and this application should use that token as the assertion.",
            self.client.name
        );
        Err(Refusal::new("invalid_grant", 500_131, message))
    }

    fn for_persons_only(&self) -> Refusal {
        let message = format!(
            "Application '{}' is not allowed to make application on-behalf-of calls.",
            self.client.client_id
        );
        Refusal::new("invalid_grant", 7_000_114, message)
    }

    /// Who is behind a token, or a token's subject.
    pub(super) fn bearer(&self, jwt: &Jwt, tenant: &str) -> Result<&User, Refusal> {
        let oid = jwt.claim("oid").unwrap_or_default();
        let mut users = self.directory.users.iter();
        let found = users.find(|user| object_id(tenant, &user.name) == oid);
        found.ok_or_else(|| {
            let message = format!("The user account {oid} does not exist in the tenant.");
            Refusal::new("invalid_grant", 50_034, message)
        })
    }
}
