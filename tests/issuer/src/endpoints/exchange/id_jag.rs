//! Identity assertions (ID-JAG), which another authorization server takes for a token of its own: what an enterprise's
//! identity provider does so that its people sign in once. Entra ID does not, and so it is refused here unless the
//! directory has such servers.
//!
//! Sources: draft-ietf-oauth-identity-assertion-authz-grant, sections 3 and 4; RFC 8693;
//! modelcontextprotocol/ext-auth:specification/draft/enterprise-managed-authorization.mdx.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Exchange, needed, unsigned};
use crate::directory::{AuthorizationServer, Platform, Version};
use crate::endpoints::error::Refusal;
use crate::endpoints::scope;
use crate::tokens::claims::{ID_JAG_TYPE, IdJag};
use crate::tokens::jwt::Jwt;

pub(super) const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// For how long one is good, in seconds.
const LIFETIME_S: i64 = 5 * 60;

impl Exchange<'_> {
    pub(super) fn id_jag(&self, tenant: &str) -> Result<Value, Refusal> {
        self.check_platform(Platform::Web)?;
        let request = &self.request;
        let asked = needed(&request.requested_token_type, "requested_token_type")?;
        let shown = needed(&request.subject_token_type, "subject_token_type")?;
        if asked != ID_JAG || shown != ID_TOKEN {
            return Err(Refusal::malformed());
        }
        let server = self.server(needed(&request.audience, "audience")?)?;
        let resource = request.resource.as_ref();
        if resource.is_some_and(|resource| !server.resources.contains(resource)) {
            return Err(scope::mismatch());
        }
        let jwt = Jwt::read(needed(&request.subject_token, "subject_token")?);
        let jwt = jwt.ok_or_else(Refusal::malformed)?;
        self.check_own(&jwt, tenant, &[Version::V2])?;
        if jwt.claim("aud") != Some(&self.client.client_id) {
            let message =
                "Assertion audience does not match the Client app presenting the assertion.";
            return Err(Refusal::new("invalid_grant", 500_131, message));
        }
        // An access token of a client that is an API has the same audience.
        if jwt.claim("azp").is_some() {
            let message = "JWT token is invalid or malformed: it is no ID token.";
            return Err(Refusal::new("invalid_grant", 50_027, message));
        }
        let user = self.bearer(&jwt, tenant)?;
        let there = server.clients.get(&self.client.client_id);
        let claims = IdJag {
            issuer: self.authority.issuer(tenant, Version::V2),
            audience: &server.issuer,
            client: there.unwrap_or(&self.client.client_id),
            subject: jwt.claim("sub").unwrap_or_default(),
            user,
            resource: resource.map(String::as_str),
            scope: &request.scope,
        };
        let claims = claims.claims(&Uuid::new_v4().to_string(), self.now_s, LIFETIME_S);
        let mut twist = self.authority.twist();
        let kind = twist.header.entry("typ");
        kind.or_insert_with(|| ID_JAG_TYPE.into());
        let token = twist
            .sign(self.authority, claims, Version::V2, self.now_s)
            .map_err(unsigned)?;
        let mut answer = json!({
            "issued_token_type": ID_JAG,
            "access_token": token,
            "token_type": "N_A",
            "expires_in": LIFETIME_S,
        });
        if !request.scope.is_empty() {
            answer["scope"] = request.scope.as_str().into();
        }
        Ok(answer)
    }

    fn server(&self, issuer: &str) -> Result<&AuthorizationServer, Refusal> {
        let mut all = self.directory.authorization_servers.iter();
        all.find(|server| server.issuer == issuer)
            .ok_or_else(|| scope::unknown_target(issuer))
    }
}
