//! Cookies: what a browser keeps for its next step. Over https no other host can set them (`__Host-`: RFC 6265bis,
//! section 4.1.3.2); http is for one's own machine.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

/// Longest value, in bytes: browsers keep no more than 4096 with name and attributes.
pub(crate) const MOST_BYTES: usize = 3800;

/// Reads and writes cookies.
pub(crate) struct Cookies {
    is_secure: bool,
}

impl Cookies {
    pub(crate) fn new(is_secure: bool) -> Self {
        Self { is_secure }
    }

    /// The value of a cookie.
    pub(crate) fn get<'h>(&self, headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
        let name = self.name(name);
        let lines = headers.get_all(header::COOKIE).iter();
        let pairs = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'));
        let mut found = pairs.filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = found.find(|(known, _)| *known == name)?;
        Some(value)
    }

    /// Puts a cookie into an answer. Top-level navigations bring it, also those from other sites, and nothing else.
    pub(crate) fn put(&self, response: &mut Response, name: &str, value: &str, life: Duration) {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let cookie = format!(
            "{}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
            self.name(name),
            life.as_secs()
        );
        // Names and values are visible ASCII.
        if let Ok(cookie) = HeaderValue::try_from(cookie) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }

    /// Removes a cookie.
    pub(crate) fn remove(&self, response: &mut Response, name: &str) {
        self.put(response, name, "", Duration::ZERO);
    }

    fn name(&self, name: &str) -> String {
        let prefix = if self.is_secure { "__Host-" } else { "" };
        format!("{prefix}prynai-{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    #[test]
    fn over_https_a_cookie_is_of_this_host_alone() {
        let mut response = ().into_response();
        Cookies::new(true).put(&mut response, "x", "v", Duration::from_secs(60));
        let set = response.headers()[header::SET_COOKIE].to_str().unwrap();
        assert_eq!(
            set,
            "__Host-prynai-x=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
        let mut headers = HeaderMap::new();
        let sent = HeaderValue::from_static("a=b; prynai-x=evil; __Host-prynai-x=v; c");
        headers.insert(header::COOKIE, sent);
        assert_eq!(Cookies::new(true).get(&headers, "x"), Some("v"));
        assert_eq!(Cookies::new(false).get(&headers, "x"), Some("evil"));
        assert_eq!(Cookies::new(true).get(&headers, "a"), None);
    }
}
