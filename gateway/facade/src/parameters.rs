//! The parameters of a request, from a query or a form.

use form_urlencoded::parse;

use crate::refusal::Refusal;

/// Parameters of one request.
const MOST: usize = 64;

/// Longest query or form, in bytes. A refresh token is the longest that is in one.
pub(crate) const MOST_BYTES: usize = 32 * 1024;

/// The one that may be there several times (RFC 8707, section 2).
const RESOURCE: &str = "resource";

/// The parameters of a request.
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// When there are too many, or one is there twice (RFC 6749, section 3.1).
    pub(crate) fn read(text: &[u8]) -> Result<Self, Refusal> {
        if text.len() > MOST_BYTES {
            return Err(Refusal::invalid("the request is too long"));
        }
        let mut read: Vec<(String, String)> = Vec::new();
        for (name, value) in parse(text) {
            let is_second = read.iter().any(|(known, _)| *known == name);
            if is_second && name != RESOURCE {
                return Err(Refusal::invalid("a parameter is there twice"));
            }
            if read.len() == MOST {
                return Err(Refusal::invalid("there are too many parameters"));
            }
            read.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(read))
    }

    /// One of them; an empty one counts as none (RFC 6749, section 3.1).
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// One of them.
    ///
    /// # Errors
    ///
    /// When it is not there.
    pub(crate) fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name)
            .ok_or_else(|| Refusal::invalid(format!("the parameter {name} is missing")))
    }

    /// All of this name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.0.iter().filter(move |(known, _)| known == name);
        named
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// Refuses a request for a token that is not for this server (RFC 8707, section 2).
    ///
    /// # Errors
    ///
    /// When it names another one.
    pub(crate) fn check_resource(&self, resource: &str) -> Result<(), Refusal> {
        let origin = url::Url::parse(resource).map(|url| url.origin().ascii_serialization());
        let is_ours = |named: &str| {
            let named = named.trim_end_matches('/');
            named.eq_ignore_ascii_case(resource)
                || origin
                    .as_ref()
                    .is_ok_and(|origin| named.eq_ignore_ascii_case(origin))
        };
        match self.all(RESOURCE).all(is_ours) {
            true => Ok(()),
            false => Err(Refusal::new(
                "invalid_target",
                "the resource is not this server",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Parameters, Refusal> {
        Parameters::read(text.as_bytes())
    }

    #[test]
    fn a_parameter_is_there_once_and_an_empty_one_is_none() {
        let parameters = read("a=1&b=&c=%20x&d").expect("is good");
        assert_eq!(parameters.get("a"), Some("1"));
        assert_eq!(parameters.get("c"), Some(" x"));
        assert_eq!((parameters.get("b"), parameters.get("d")), (None, None));
        assert!(parameters.need("b").is_err());
        assert!(read("a=1&a=1").is_err() && read("a=1&%61=2").is_err());
        let most: Vec<String> = (0..MOST).map(|n| format!("p{n}=1")).collect();
        assert!(read(&most.join("&")).is_ok());
        assert!(read(&format!("{}&more=1", most.join("&"))).is_err());
        assert!(read(&format!("a={}", "x".repeat(MOST_BYTES - 2))).is_ok());
        assert!(read(&format!("a={}", "x".repeat(MOST_BYTES - 1))).is_err());
    }

    #[test]
    fn a_token_is_for_this_server_or_not_given() {
        let ours = "https://mcp.example.com/team/mcp";
        for text in [
            "",
            "resource=https://mcp.example.com/team/mcp",
            "resource=https://mcp.example.com/team/mcp/",
            "resource=https://MCP.example.com&resource=https://mcp.example.com/team/mcp",
        ] {
            let parameters = read(text).expect("is good");
            assert!(parameters.check_resource(ours).is_ok(), "{text}");
        }
        for text in [
            "resource=https://mcp.example.com/other",
            "resource=https://graph.microsoft.com",
            "resource=https://mcp.example.com.evil.example/team/mcp",
            "resource=https://mcp.example.com/team/mcp&resource=https://evil.example",
        ] {
            let parameters = read(text).expect("is good");
            assert!(parameters.check_resource(ours).is_err(), "{text}");
        }
    }
}
