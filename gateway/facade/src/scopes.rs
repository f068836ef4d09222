//! Scopes: as clients write them, and as the issuer wants them.

use crate::refusal::Refusal;

/// Those of OpenID Connect, which belong to no API.
const OPENID: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// At Entra ID: all that the registration has consent for. Its case does not count there.
const DEFAULT: &str = ".default";

/// What a client asks for to stay signed in (OpenID Connect Core 1.0, section 11).
pub(crate) const OFFLINE: &str = "offline_access";

/// Scopes of one request.
const MOST: usize = 32;

/// Bytes of all of them.
const MOST_BYTES: usize = 1024;

/// What can be asked for.
pub(crate) struct Scopes {
    /// What stands before a short name at the issuer.
    prefix: String,
    /// The short names of those that clients are told to ask for.
    own: Vec<String>,
}

impl Scopes {
    pub(crate) fn new(prefix: String, own: Vec<String>) -> Self {
        Self { prefix, own }
    }

    /// The names that clients are told.
    pub(crate) fn supported(&self) -> Vec<&str> {
        let own = self.own.iter().map(String::as_str);
        own.chain(OPENID).collect()
    }

    /// What a client asks for, as it writes it; without anything, what every call needs.
    ///
    /// # Errors
    ///
    /// When it asks for more than there is. A token for another API must not be had with our registration.
    pub(crate) fn asked(&self, text: Option<&str>) -> Result<Vec<String>, Refusal> {
        let wrong = |text: &str| Refusal::new("invalid_scope", text);
        let text = text.unwrap_or_default();
        if text.len() > MOST_BYTES {
            return Err(wrong("there are too many scopes"));
        }
        let mut asked: Vec<String> = Vec::new();
        for name in text.split(' ').filter(|name| !name.is_empty()) {
            if !self.is_there(name) {
                return Err(wrong("a scope is not one of this server"));
            }
            if !asked.iter().any(|known| known == name) {
                asked.push(name.to_owned());
            }
        }
        if asked.len() > MOST {
            return Err(wrong("there are too many scopes"));
        }
        if !asked.iter().any(|name| !OPENID.contains(&name.as_str())) {
            asked.extend(self.own.iter().cloned());
        }
        Ok(asked)
    }

    /// The short names of scopes of this server that somebody else wrote down, whatever they are called; those of
    /// OpenID Connect do not count.
    ///
    /// # Errors
    ///
    /// When there is something else among them, or too much.
    pub(crate) fn short(&self, text: &str) -> Result<Vec<String>, Refusal> {
        let wrong = |text: &str| Refusal::new("invalid_scope", text);
        let mut names: Vec<String> = Vec::new();
        for name in text.split(' ').filter(|name| !name.is_empty()) {
            let short = name.strip_prefix(self.prefix.as_str()).unwrap_or(name);
            if short.is_empty() || !short.bytes().all(is_of_name) || short.contains("://") {
                return Err(wrong("a scope is not one of this server"));
            }
            if !OPENID.contains(&short) && !names.iter().any(|known| known == short) {
                names.push(short.to_owned());
            }
        }
        match text.len() <= MOST_BYTES && names.len() <= MOST {
            true => Ok(names),
            false => Err(wrong("there are too many scopes")),
        }
    }

    /// Whether a token with these scopes is let in to calls.
    pub(crate) fn let_in(&self, names: &[String]) -> bool {
        self.own.is_empty() || self.own.iter().any(|own| names.contains(own))
    }

    /// How the issuer is asked for them.
    pub(crate) fn upstream(&self, asked: &[String], offline: bool) -> String {
        // Who signs in is read from the id token.
        let mut names = vec!["openid".to_owned(), "profile".to_owned()];
        if offline {
            names.push(OFFLINE.to_owned());
        }
        for name in asked {
            let name = self.qualified(name);
            if name != OFFLINE && !names.contains(&name) {
                names.push(name);
            }
        }
        names.join(" ")
    }

    /// How the issuer is asked for these and nothing else.
    pub(crate) fn narrowed(&self, asked: &[String]) -> String {
        let names: Vec<String> = asked.iter().map(|name| self.qualified(name)).collect();
        names.join(" ")
    }

    /// How the issuer is asked for what a service wants to do by itself: Entra ID gives all of an API or nothing, and
    /// services know that.
    ///
    /// # Errors
    ///
    /// As for [`Scopes::asked`].
    pub(crate) fn of_service(&self, text: Option<&str>) -> Result<String, Refusal> {
        let all = format!("{}{DEFAULT}", self.prefix);
        let is_all = |name: &&str| !self.prefix.is_empty() && (*name == DEFAULT || *name == all);
        let names = text.unwrap_or_default().split(' ');
        let names: Vec<&str> = names.filter(|name| !is_all(name)).collect();
        let asked = self.asked(Some(&names.join(" ")))?;
        Ok(match self.prefix.is_empty() {
            true => asked.join(" "),
            false => all,
        })
    }

    /// What the issuer granted, as the client writes it: those of `asked`, and further ones of this API, which nobody
    /// asked for (RFC 6749, section 5.1). Entra ID adds what was ever consented to for the one registration.
    pub(crate) fn granted(&self, asked: &[String], granted: Option<&str>) -> String {
        let granted: Option<Vec<&str>> =
            granted.map(|text| text.split(' ').filter(|name| !name.is_empty()).collect());
        let is_granted = |name: &&String| match &granted {
            None => true,
            Some(granted) => {
                OPENID.contains(&name.as_str())
                    || is_everything(name)
                    || granted.contains(&name.as_str())
                    || granted.contains(&self.qualified(name).as_str())
            }
        };
        let mut names: Vec<&str> = asked
            .iter()
            .filter(is_granted)
            .map(String::as_str)
            .collect();
        for name in granted.into_iter().flatten() {
            let is_asked = |asked: &String| asked == name || self.qualified(asked) == name;
            if !OPENID.contains(&name) && !asked.iter().any(is_asked) {
                names.push(name.strip_prefix(self.prefix.as_str()).unwrap_or(name));
            }
        }
        names.join(" ")
    }

    fn is_there(&self, name: &str) -> bool {
        if !name.bytes().all(is_of_name) {
            return false;
        }
        if OPENID.contains(&name) || self.own.iter().any(|own| own == name) {
            return true;
        }
        let short = name.strip_prefix(self.prefix.as_str());
        let short = short.unwrap_or(name);
        // Without a prefix nothing says of which API a name is: only those that are known count. The issuer takes what
        // is before the last slash for the API. Nobody who reads of `.default` knows what it gives.
        !self.prefix.is_empty()
            && !short.is_empty()
            && !short.contains('/')
            && !is_everything(short)
    }

    fn qualified(&self, name: &str) -> String {
        match OPENID.contains(&name) || name.starts_with(&self.prefix) {
            true => name.to_owned(),
            false => format!("{}{name}", self.prefix),
        }
    }
}

/// Whether a scope stands for all that there are.
pub(crate) fn is_everything(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or_default();
    name.eq_ignore_ascii_case(DEFAULT)
}

/// A byte of a scope (RFC 6749, section 3.3).
fn is_of_name(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entra() -> Scopes {
        Scopes::new("api://x/".to_owned(), vec!["mcp.call".to_owned()])
    }

    #[test]
    fn short_names_become_those_of_the_api() {
        let scopes = entra();
        for (asked, upstream) in [
            (None, "openid profile api://x/mcp.call"),
            (
                Some("openid email"),
                "openid profile email api://x/mcp.call",
            ),
            (Some("mcp.read"), "openid profile api://x/mcp.read"),
            (
                Some("api://x/mcp.call offline_access"),
                "openid profile api://x/mcp.call",
            ),
            (Some("User.Read"), "openid profile api://x/User.Read"),
        ] {
            let asked = scopes.asked(asked).expect("is good");
            assert_eq!(scopes.upstream(&asked, false), upstream);
        }
        let asked = scopes.asked(Some("mcp.call")).expect("is good");
        let with = scopes.upstream(&asked, true);
        assert_eq!(with, "openid profile offline_access api://x/mcp.call");
    }

    #[test]
    fn nobody_gets_a_token_for_another_api() {
        for scopes in [
            entra(),
            Scopes::new(String::new(), vec!["mcp.call".to_owned()]),
        ] {
            for text in [
                "https://graph.microsoft.com/Mail.Read",
                "mcp.call https://graph.microsoft.com/.default",
                "api://xy/mcp.call",
                "api://x/https://graph.microsoft.com/.default",
                "api://x/",
                "admin/mcp.call",
                "admin/.default",
                "api://x/admin/mcp.call",
                "api://x//mcp.call",
                "/mcp.call",
                ".default",
                "mcp.call .DEFAULT",
                "api://x/.default",
                "a\"b",
            ] {
                assert!(scopes.asked(Some(text)).is_err(), "{text}");
            }
        }
        let oidc = Scopes::new(String::new(), vec!["mcp.call".to_owned()]);
        assert!(oidc.asked(Some("admin")).is_err());
        assert_eq!(oidc.asked(Some("mcp.call")).expect("is good"), ["mcp.call"]);
        let most = vec!["a"; MOST_BYTES / 2].join(" ");
        assert!(entra().asked(Some(&most)).is_ok(), "they are all the same");
        assert!(entra().asked(Some(&format!("{most} aa"))).is_err());
        let many = |n| {
            (0..n)
                .map(|n| format!("s{n}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert!(entra().asked(Some(&many(MOST))).is_ok());
        assert!(entra().asked(Some(&many(MOST + 1))).is_err());
    }

    #[test]
    fn clients_hear_what_was_granted_in_their_own_words() {
        let scopes = entra();
        let asked = scopes
            .asked(Some("mcp.call mcp.read openid"))
            .expect("is good");
        let granted = scopes.granted(&asked, Some("api://x/mcp.call profile"));
        assert_eq!(granted, "mcp.call openid");
        assert_eq!(scopes.granted(&asked, None), "mcp.call mcp.read openid");
        let more = "api://x/mcp.read  api://x/mcp.admin openid";
        assert_eq!(
            scopes.granted(&asked, Some(more)),
            "mcp.read openid mcp.admin"
        );
        let named = ["api://x/mcp.read".to_owned()];
        assert_eq!(
            scopes.granted(&named, Some(more)),
            "api://x/mcp.read mcp.admin"
        );
    }

    #[test]
    fn a_service_may_ask_for_everything_of_this_api() {
        let all = "api://x/.default";
        for text in [None, Some(".default"), Some(all), Some("mcp.call")] {
            assert_eq!(entra().of_service(text).expect("is good"), all, "{text:?}");
        }
        for text in [
            "admin/.default",
            "https://graph.microsoft.com/.default",
            "api://x/admin/.default",
        ] {
            assert!(entra().of_service(Some(text)).is_err(), "{text}");
        }
        let oidc = Scopes::new(String::new(), vec!["mcp.call".to_owned()]);
        assert_eq!(oidc.of_service(None).expect("is good"), "mcp.call");
        assert!(oidc.of_service(Some(".default")).is_err());
    }

    #[test]
    fn an_operator_may_offer_everything() {
        let scopes = Scopes::new("api://x/".to_owned(), vec![".default".to_owned()]);
        let asked = scopes.asked(Some(".default")).expect("is good");
        let upstream = scopes.upstream(&asked, false);
        assert_eq!(upstream, "openid profile api://x/.default");
        let granted = scopes.granted(&asked, Some("api://x/mcp.read"));
        assert_eq!(granted, ".default mcp.read");
        assert!(is_everything(".default") && !is_everything("mcp.default"));
    }
}
