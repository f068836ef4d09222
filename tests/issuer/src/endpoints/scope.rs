//! What a client asks for: `scope` and `resource` of a request.
//!
//! Sources: RFC 6749, section 3.3; RFC 8707, section 2; learn.microsoft.com/entra/identity-platform/scopes-oidc.

use std::sync::LazyLock;

use crate::directory::{Api, Client, Directory, Version};
use crate::endpoints::error::Refusal;

/// Microsoft Graph, which Entra takes a scope to be of when no API is named. Its tokens are for nobody else.
static GRAPH: LazyLock<Api> = LazyLock::new(|| Api {
    client_id: "00000003-0000-0000-c000-000000000000".to_owned(),
    identifier_uris: vec!["https://graph.microsoft.com".to_owned()],
    requested_access_token_version: Version::V1,
    scopes: Vec::new(),
    app_roles: Vec::new(),
    idtyp: false,
    conditional_access: false,
});

/// Scopes that are of no API.
const OPENID: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// All that is consented to, or assigned.
const DEFAULT: &str = ".default";

/// A request's scopes, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The client id of the API.
    pub(crate) api: String,
    /// What it was called.
    pub(crate) uri: String,
    /// Short names.
    pub(crate) scopes: Vec<String>,
    /// Those of [`OPENID`].
    pub(crate) openid: Vec<String>,
}

impl Asked {
    pub(crate) fn has(&self, openid: &str) -> bool {
        self.openid.iter().any(|scope| scope == openid)
    }

    pub(crate) fn find_api<'d>(&self, directory: &'d Directory) -> &'d Api {
        directory.api(&self.api).unwrap_or(&GRAPH)
    }

    /// As a token response names them.
    pub(crate) fn full_names(&self) -> String {
        let own = self
            .scopes
            .iter()
            .map(|name| format!("{}/{name}", self.uri));
        own.chain(self.openid.clone()).collect::<Vec<_>>().join(" ")
    }
}

/// Understands what a client asks for a user.
///
/// A bare scope is Microsoft Graph's, and so no `resource` goes with it (claude-ai-mcp#514, claude-code#73460). Only an
/// issuer that is not strict takes it for one of the API that `resource` names.
///
/// # Errors
///
/// When no token can be for it, or the client has no consent.
pub(crate) fn for_user(
    directory: &Directory,
    client: &Client,
    scope: &str,
    resource: Option<&str>,
    strict: bool,
) -> Result<Asked, Refusal> {
    let (openid, of_an_api): (Vec<&str>, Vec<&str>) = scope
        .split_ascii_whitespace()
        .partition(|name| OPENID.contains(name));
    if openid.is_empty() && of_an_api.is_empty() {
        return Err(Refusal::missing("scope"));
    }
    let fallback = resource
        .filter(|_| !strict)
        .and_then(|uri| Some((by_uri(directory, uri)?, uri)))
        .unwrap_or((&GRAPH, &GRAPH.identifier_uris[0]));
    let mut found: Option<(&Api, &str)> = None;
    let mut names = Vec::new();
    for full in of_an_api {
        let (api, uri, short) = split(directory, full, fallback)?;
        if found.is_some_and(|(other, _)| other.client_id != api.client_id) {
            return Err(several(scope));
        }
        found = Some((api, uri));
        names.push(short);
    }
    let (api, uri) = found.unwrap_or(fallback);
    if strict && resource.is_some_and(|uri| !api.identifier_uris.iter().any(|own| own == uri)) {
        return Err(mismatch());
    }
    let mut scopes = Vec::new();
    for short in names {
        scopes.extend(granted(client, api, short)?);
    }
    scopes.dedup();
    Ok(Asked {
        api: api.client_id.clone(),
        uri: uri.to_owned(),
        scopes,
        openid: openid.into_iter().map(str::to_owned).collect(),
    })
}

/// Understands what a client asks for itself: one API's `.default`.
///
/// # Errors
///
/// When it asks for anything else.
pub(crate) fn for_itself(
    directory: &Directory,
    scope: &str,
    resource: Option<&str>,
    strict: bool,
) -> Result<Asked, Refusal> {
    let only_default = || {
        let message = format!(
            "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with \
             /.default suffixed to the resource identifier (application ID URI)."
        );
        Refusal::new("invalid_scope", 1_002_012, message)
    };
    if scope.is_empty() {
        return Err(Refusal::missing("scope"));
    }
    let uri = scope
        .strip_suffix(DEFAULT)
        .and_then(|uri| uri.strip_suffix('/'))
        .filter(|uri| !uri.contains(char::is_whitespace))
        .ok_or_else(only_default)?;
    let api = directory.api(uri).ok_or_else(|| unknown_api(uri))?;
    if strict && resource.is_some_and(|uri| !api.identifier_uris.iter().any(|own| own == uri)) {
        return Err(mismatch());
    }
    Ok(Asked {
        api: api.client_id.clone(),
        uri: uri.to_owned(),
        scopes: Vec::new(),
        openid: Vec::new(),
    })
}

fn by_uri<'d>(directory: &'d Directory, uri: &str) -> Option<&'d Api> {
    let named = |api: &&Api| api.identifier_uris.iter().any(|own| own == uri);
    directory.apis.iter().find(named)
}

/// The API, what it is called, and the scope's short name.
fn split<'a>(
    directory: &'a Directory,
    full: &'a str,
    fallback: (&'a Api, &'a str),
) -> Result<(&'a Api, &'a str, &'a str), Refusal> {
    let Some((uri, short)) = full.rsplit_once('/') else {
        return Ok((fallback.0, fallback.1, full));
    };
    let api = directory.api(uri).ok_or_else(|| unknown_api(uri))?;
    Ok((api, uri, short))
}

/// The short names that a scope stands for.
fn granted(client: &Client, api: &Api, short: &str) -> Result<Vec<String>, Refusal> {
    let consented: Vec<&str> = api.own(&client.scopes).collect();
    if short == DEFAULT {
        return Ok(consented.into_iter().map(str::to_owned).collect());
    }
    if !api.scopes.iter().any(|scope| scope == short) {
        let message = format!(
            "The application '{}' asked for scope '{short}' that doesn't exist on the resource '{}'. Contact the app \
             vendor.",
            client.name, api.client_id
        );
        return Err(Refusal::new("invalid_client", 650_053, message));
    }
    if !consented.contains(&short) {
        let message = format!(
            "The user or administrator has not consented to use the application with ID '{}' named '{}'. Send an \
             interactive authorization request for this user and resource.",
            client.client_id, client.name
        );
        return Err(Refusal::new("consent_required", 65_001, message));
    }
    Ok(vec![short.to_owned()])
}

/// Of what no token can be for (RFC 8707, section 2).
pub(crate) fn unknown_target(uri: &str) -> Refusal {
    Refusal {
        error: "invalid_target",
        ..unknown_api(uri)
    }
}

fn unknown_api(uri: &str) -> Refusal {
    let message = format!(
        "The resource principal named {uri} was not found in the tenant. This can happen if the application has not \
         been installed by the administrator of the tenant or consented to by any user in the tenant."
    );
    Refusal::new("invalid_resource", 500_011, message)
}

fn several(scope: &str) -> Refusal {
    let message = format!(
        "Provided value for the input parameter scope is not valid because it contains more than one resource. Scope \
         {scope} is not valid."
    );
    Refusal::new("invalid_scope", 28_000, message)
}

pub(crate) fn mismatch() -> Refusal {
    Refusal::new(
        "invalid_target",
        9_010_010,
        "The resource parameter provided in the request doesn't match with the requested scopes.",
    )
}
