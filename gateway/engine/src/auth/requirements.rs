//! Which of the callers that an issuer vouches for may call this server.

use prynai_bus::wire::principal::{CallerKind, Identity};

use crate::auth::settings::{AuthKind, AuthSettings, CallersAllowed};
use crate::auth::token::claims::Audience;
use crate::refusal::Missing;
use crate::refusal::RequestError;

/// What a token must say for its caller to be let in.
pub(crate) struct Requirements {
    kind: AuthKind,
    audiences: Vec<String>,
    scopes: Vec<String>,
    roles: Vec<String>,
    clients: Vec<String>,
    callers: CallersAllowed,
}

impl Requirements {
    pub(crate) fn new(settings: &AuthSettings) -> Self {
        Self {
            kind: settings.auth,
            audiences: settings.auth_audience.clone(),
            scopes: settings.auth_scope.clone(),
            roles: settings.auth_role.clone(),
            clients: settings.auth_client.clone(),
            callers: settings.auth_callers.unwrap_or_default(),
        }
    }

    /// Whether a token is meant for this server. One of several audiences is enough (RFC 7519, section
    /// 4.1.3); Entra ID never writes several.
    pub(crate) fn is_meant_for_us(&self, audience: &Audience) -> bool {
        match audience {
            Audience::One(one) => self.audiences.contains(one),
            Audience::Many(many) => {
                self.kind != AuthKind::Entra && many.iter().any(|one| self.audiences.contains(one))
            }
        }
    }

    /// # Errors
    ///
    /// What the caller lacks.
    pub(crate) fn admit(&self, caller: &Identity) -> Result<(), RequestError> {
        let client = caller.client.as_ref();
        if !self.clients.is_empty() && !client.is_some_and(|client| self.clients.contains(client)) {
            return Err(RequestError::Forbidden(
                "the application that holds this token may not call this server; the operator can \
                 allow it with --auth-client"
                    .to_owned(),
            ));
        }
        let has_scope = self
            .scopes
            .iter()
            .any(|scope| caller.scopes.contains(scope));
        let has_role = self.roles.iter().any(|role| caller.roles.contains(role));
        let free = self.scopes.is_empty() && self.roles.is_empty();
        let (wanted, allowed) = match caller.kind {
            // A role is the person's; whether the application may act for them a scope says.
            CallerKind::User if !self.scopes.is_empty() => (CallersAllowed::Users, has_scope),
            CallerKind::User => (CallersAllowed::Users, free || has_role),
            CallerKind::App => (CallersAllowed::Apps, free || has_scope || has_role),
        };
        match allowed && (self.callers == CallersAllowed::Any || self.callers == wanted) {
            true => Ok(()),
            false => Err(RequestError::InsufficientScope {
                missing: self.missing(),
            }),
        }
    }

    fn missing(&self) -> Missing {
        let unless = |kind: CallersAllowed, names: &[String]| match self.callers == kind {
            true => Vec::new(),
            false => names.to_vec(),
        };
        Missing {
            scopes: unless(CallersAllowed::Apps, &self.scopes),
            roles: unless(CallersAllowed::Users, &self.roles),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn requirements(scopes: &[&str], roles: &[&str]) -> Requirements {
        Requirements::new(&AuthSettings {
            auth: AuthKind::Entra,
            auth_audience: strings(&["api"]),
            auth_scope: strings(scopes),
            auth_role: strings(roles),
            ..AuthSettings::default()
        })
    }

    fn caller(kind: CallerKind, scopes: &[&str], roles: &[&str]) -> Identity {
        Identity {
            issuer: "https://id.example".to_owned(),
            tenant: None,
            object_id: "alice".to_owned(),
            client: Some("client".to_owned()),
            kind,
            scopes: strings(scopes).into_iter().collect(),
            roles: strings(roles).into_iter().collect(),
        }
    }

    const USER: CallerKind = CallerKind::User;
    const APP: CallerKind = CallerKind::App;

    #[test]
    fn one_scope_is_enough_or_one_role_for_an_application() {
        let requirements = requirements(&["s", "t"], &["r"]);
        for (kind, scopes, roles, admitted) in [
            (USER, &["s"][..], &[][..], true),
            (USER, &["other", "t"], &[], true),
            (USER, &["S"], &[], false),
            (USER, &["other"], &["r"], false),
            (USER, &[], &[], false),
            (APP, &[], &["r"], true),
            (APP, &[], &["other"], false),
            (APP, &[], &[], false),
        ] {
            let verdict = requirements.admit(&caller(kind, scopes, roles));
            assert_eq!(verdict.is_ok(), admitted, "{kind:?} {scopes:?} {roles:?}");
        }
    }

    #[test]
    fn a_role_lets_a_person_in_where_no_scope_is_asked_for() {
        let requirements = requirements(&[], &["r"]);
        assert!(requirements.admit(&caller(USER, &["any"], &["r"])).is_ok());
        assert!(requirements.admit(&caller(USER, &["r"], &[])).is_err());
    }

    #[test]
    fn people_and_applications_can_be_kept_apart() {
        let mut requirements = requirements(&["s"], &["r"]);
        requirements.callers = CallersAllowed::Users;
        let missing = match requirements.admit(&caller(APP, &[], &["r"])) {
            Err(RequestError::InsufficientScope { missing }) => missing,
            other => panic!("{other:?}"),
        };
        assert_eq!(missing.scopes, ["s"]);
        assert!(missing.roles.is_empty());
        assert!(requirements.admit(&caller(USER, &["s"], &[])).is_ok());
        requirements.callers = CallersAllowed::Apps;
        assert!(requirements.admit(&caller(USER, &["s"], &["r"])).is_err());
        assert!(requirements.admit(&caller(APP, &[], &["r"])).is_ok());
    }

    #[test]
    fn only_listed_applications_may_call() {
        let mut requirements = requirements(&["s"], &[]);
        requirements.clients = strings(&["other"]);
        let mut caller = caller(USER, &["s"], &[]);
        let forbidden = |verdict| matches!(verdict, Err(RequestError::Forbidden(_)));
        assert!(forbidden(requirements.admit(&caller)));
        caller.client = None;
        assert!(forbidden(requirements.admit(&caller)));
        caller.client = Some("other".to_owned());
        assert!(requirements.admit(&caller).is_ok());
    }

    #[test]
    fn a_token_is_meant_for_one_audience_byte_for_byte() {
        let mut requirements = requirements(&["s"], &[]);
        let one = |name: &str| Audience::One(name.to_owned());
        let many = Audience::Many(strings(&["other", "api"]));
        assert!(requirements.is_meant_for_us(&one("api")));
        for name in ["API", "api/", "apis", ""] {
            assert!(!requirements.is_meant_for_us(&one(name)), "{name}");
        }
        assert!(!requirements.is_meant_for_us(&many));
        requirements.kind = AuthKind::Oidc;
        assert!(requirements.is_meant_for_us(&many));
        assert!(!requirements.is_meant_for_us(&Audience::Many(Vec::new())));
        assert!(!requirements.is_meant_for_us(&Audience::Many(strings(&["other"]))));
    }
}
