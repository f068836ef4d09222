//! The receiver: how it is reached, and what is said to it.

use std::collections::HashMap;
use std::sync::Arc;

use clap::ValueEnum;
use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_otlp::tonic_types::metadata::MetadataMap;
use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{
    LogExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig,
};
use rustls::{ClientConfig, RootCertStore};

use crate::export::PATIENCE;

/// Where OTLP over HTTP takes traces (OTLP specification, OTLP/HTTP Request).
const TRACES_PATH: &str = "v1/traces";

/// Where it takes logs.
const LOGS_PATH: &str = "v1/logs";

/// How the receiver is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OtlpProtocol {
    /// OTLP over gRPC, on port 4317 as a rule.
    Grpc,
    /// OTLP over HTTP, in binary form, on port 4318 as a rule.
    #[value(name = "http/protobuf")]
    HttpProtobuf,
}

/// Refuses what is no URL of a receiver.
///
/// # Errors
///
/// How to write it.
pub(crate) fn check_endpoint(setting: &str, endpoint: &str) -> Result<(), String> {
    let url: Result<http::Uri, _> = endpoint.parse();
    let fits = |url: &http::Uri| {
        let scheme = url.scheme_str();
        url.host().is_some() && matches!(scheme, Some("http" | "https"))
    };
    match url {
        Ok(url) if fits(&url) => Ok(()),
        _ => Err(format!("{setting} is a URL such as http://127.0.0.1:4317")),
    }
}

/// The headers in `name=value,name=value`.
///
/// # Errors
///
/// How to write them, without repeating them.
pub(crate) fn headers(text: &str) -> Result<http::HeaderMap, String> {
    let wrong = || "--otlp-headers is name=value, several separated by commas".to_owned();
    let mut headers = http::HeaderMap::new();
    for header in text.split(',').filter(|header| !header.trim().is_empty()) {
        let (name, value) = header.split_once('=').ok_or_else(wrong)?;
        let name: http::HeaderName = name.trim().parse().map_err(|_| wrong())?;
        let value = decoded(value.trim()).ok_or_else(wrong)?;
        let mut value = http::HeaderValue::from_bytes(&value).map_err(|_| wrong())?;
        value.set_sensitive(true);
        // The exporter takes no others, and does not say of which header it speaks.
        if value.to_str().is_err() {
            return Err(format!(
                "--otlp-headers: the value of {name} has characters that are not visible ASCII"
            ));
        }
        headers.append(name, value);
    }
    Ok(headers)
}

/// With `%20` and its like decoded.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut rest = text.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, after) = after.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    Some(bytes)
}

/// A receiver.
#[derive(Debug)]
pub(crate) struct Receiver<'a> {
    pub(crate) protocol: OtlpProtocol,
    pub(crate) headers: &'a http::HeaderMap,
    /// One for traces and logs; over HTTP, each has a path of its own there.
    pub(crate) endpoint: Option<&'a str>,
    /// One for logs, with its path.
    pub(crate) logs_endpoint: Option<&'a str>,
}

impl Receiver<'_> {
    /// What sends spans, in the runtime that it is made in; `None` if they are to go nowhere.
    ///
    /// # Errors
    ///
    /// Why the receiver cannot be spoken to so.
    pub(crate) fn spans(&self) -> Result<Option<SpanExporter>, String> {
        let Some(endpoint) = self.endpoint else {
            return Ok(None);
        };
        let built = match self.protocol {
            OtlpProtocol::Grpc => {
                over_grpc(SpanExporter::builder().with_tonic(), endpoint, self.headers).build()
            }
            OtlpProtocol::HttpProtobuf => {
                let url = below(endpoint, TRACES_PATH);
                over_http(SpanExporter::builder().with_http(), &url, self.headers)?.build()
            }
        };
        let told = |error| format!("--otlp-endpoint cannot be used: {error}");
        built.map(Some).map_err(told)
    }

    /// What sends logs, in the runtime that it is made in; `None` if they are to go nowhere.
    ///
    /// # Errors
    ///
    /// Why the receiver cannot be spoken to so.
    pub(crate) fn logs(&self) -> Result<Option<LogExporter>, String> {
        let own = self.logs_endpoint;
        let Some(endpoint) = own.or(self.endpoint) else {
            return Ok(None);
        };
        let built = match self.protocol {
            OtlpProtocol::Grpc => {
                over_grpc(LogExporter::builder().with_tonic(), endpoint, self.headers).build()
            }
            OtlpProtocol::HttpProtobuf => {
                // One for logs alone is taken as it is (OTLP exporter specification, Endpoint URLs for OTLP/HTTP).
                let url = own.map_or_else(|| below(endpoint, LOGS_PATH), str::to_owned);
                over_http(LogExporter::builder().with_http(), &url, self.headers)?.build()
            }
        };
        let told = |error| format!("the endpoint for logs cannot be used: {error}");
        built.map(Some).map_err(told)
    }
}

fn below(endpoint: &str, path: &str) -> String {
    format!("{}/{path}", endpoint.trim_end_matches('/'))
}

fn over_grpc<B: WithExportConfig + WithTonicConfig>(
    builder: B,
    endpoint: &str,
    headers: &http::HeaderMap,
) -> B {
    let grpc = builder
        .with_endpoint(endpoint)
        .with_timeout(PATIENCE)
        .with_metadata(MetadataMap::from_headers(headers.clone()));
    match endpoint.starts_with("https:") {
        true => grpc.with_tls_config(ClientTlsConfig::new().with_native_roots()),
        false => grpc,
    }
}

fn over_http<B: WithExportConfig + WithHttpConfig>(
    builder: B,
    url: &str,
    headers: &http::HeaderMap,
) -> Result<B, String> {
    let mut known = HashMap::new();
    for (name, value) in headers {
        let value = value.to_str().map_err(|error| error.to_string())?;
        known.insert(name.to_string(), value.to_owned());
    }
    Ok(builder
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(url)
        .with_timeout(PATIENCE)
        .with_headers(known)
        .with_http_client(http_client()?))
}

type HttpsConnector =
    hyper_rustls::HttpsConnector<hyper_util::client::legacy::connect::HttpConnector>;

/// An HTTP client that trusts whom the system trusts.
fn http_client() -> Result<HyperClient<HttpsConnector>, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .build();
    Ok(HyperClient::new(connector, PATIENCE, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_opentelemetry_writes_them() {
        let read = headers("authorization=Bearer%20a=b, x-key = 1 ,").unwrap();
        assert_eq!(read["authorization"], "Bearer a=b");
        assert_eq!(read["x-key"], "1");
        assert!(headers("").unwrap().is_empty());
        for wrong in ["secret", "a b=c", "a=%0a", "a=%2", "a=%zz"] {
            let refused = headers(wrong).unwrap_err();
            assert!(!refused.contains(wrong), "{refused}");
        }
        let refused = headers("x-api-key=lsv2_…").unwrap_err();
        assert!(
            refused.contains("x-api-key") && !refused.contains("lsv2"),
            "{refused}"
        );
    }

    #[test]
    fn an_endpoint_is_a_url() {
        assert!(check_endpoint("--x", "http://127.0.0.1:4317").is_ok());
        assert!(check_endpoint("--x", "https://collector.example/path").is_ok());
        for wrong in ["127.0.0.1:4317", "collector", "ftp://a", ""] {
            assert!(check_endpoint("--x", wrong).is_err(), "{wrong}");
        }
    }
}
