//! A receiver of traces and logs, over gRPC and HTTP.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::{Buf, Bytes};
use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use prynai_test_harness::certificates::Certificates;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const GRPC: &str = "application/grpc";
const TRACES: [&str; 2] = [
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "/v1/traces",
];
const LOGS: [&str; 2] = [
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "/v1/logs",
];

/// Length of what stands before a message of gRPC.
const PREFIX: usize = 5;

/// A span, and the service that it comes from.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) service: String,
    pub(super) authorization: String,
    pub(super) span: Span,
}

/// A record of a log, and the service that it comes from.
#[derive(Debug, Clone)]
pub(in super::super) struct Logged {
    pub(in super::super) service: String,
    pub(in super::super) authorization: String,
    pub(in super::super) record: LogRecord,
}

/// What has come.
#[derive(Debug, Clone)]
pub(in super::super) struct Receiver {
    pub(in super::super) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    logged: Arc<Mutex<Vec<Logged>>>,
}

impl Receiver {
    pub(in super::super) async fn start() -> Self {
        Self::start_at("127.0.0.1:0", None).await
    }

    /// One at this address.
    pub(in super::super) async fn start_on(address: &str) -> Self {
        Self::start_at(address, None).await
    }

    /// One that speaks TLS, with a certificate of this authority.
    pub(super) async fn start_tls(authority: &Certificates) -> Self {
        let issued = authority.issue();
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).expect("a key");
        let chain = vec![CertificateDer::from(issued.der)];
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("knows what it can")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate with its key");
        config.alpn_protocols = ["h2", "http/1.1"].map(Into::into).to_vec();
        let tls = TlsAcceptor::from(Arc::new(config));
        Self::start_at("127.0.0.1:0", Some(tls)).await
    }

    async fn start_at(address: &str, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port");
        let receiver = Self {
            address: listener.local_addr().expect("is bound"),
            received: Arc::default(),
            logged: Arc::default(),
        };
        let serving = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (receiver, tls) = (serving.clone(), tls.clone());
                tokio::spawn(async move {
                    let service = service_fn(|request| {
                        let receiver = receiver.clone();
                        async move { receiver.answer(request).await }
                    });
                    let server = auto::Builder::new(TokioExecutor::new());
                    // A client that goes away is no fault.
                    let _ = match tls {
                        None => server.serve_connection(TokioIo::new(stream), service).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => {
                                server.serve_connection(TokioIo::new(stream), service).await
                            }
                            Err(_) => Ok(()),
                        },
                    };
                });
            }
        });
        receiver
    }

    /// The spans so far.
    pub(super) fn spans(&self) -> Vec<Received> {
        self.received.lock().expect("is not poisoned").clone()
    }

    /// The records of logs so far.
    pub(in super::super) fn logged(&self) -> Vec<Logged> {
        self.logged.lock().expect("is not poisoned").clone()
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, Infallible> {
        let (head, body) = request.into_parts();
        let mut body = body.collect().await.expect("is read").to_bytes();
        let media = head.headers[CONTENT_TYPE].to_str().expect("is text");
        let is_grpc = media == GRPC;
        match is_grpc {
            true => {
                assert_eq!(body[0], 0, "is not compressed");
                body.advance(PREFIX);
            }
            false => assert_eq!(media, "application/x-protobuf"),
        }
        let at = usize::from(!is_grpc);
        let authorization = head.headers.get(AUTHORIZATION);
        let authorization = authorization.map(|value| value.to_str().expect("is text"));
        let authorization = authorization.unwrap_or_default();
        match head.uri.path() {
            path if path == TRACES[at] => self.take_spans(body, authorization),
            path if path == LOGS[at] => self.take_records(body, authorization),
            other => panic!("nothing is taken at {other}"),
        }
        let mut response = Response::new(match is_grpc {
            true => {
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", "0".parse().expect("a value"));
                let message = Frame::data(Bytes::from_static(&[0; PREFIX]));
                let frames = [Ok(message), Ok(Frame::trailers(trailers))];
                StreamBody::new(stream::iter(frames)).boxed_unsync()
            }
            false => Full::new(Bytes::new()).boxed_unsync(),
        });
        response
            .headers_mut()
            .insert(CONTENT_TYPE, head.headers[CONTENT_TYPE].clone());
        Ok(response)
    }

    fn take_spans(&self, body: Bytes, authorization: &str) {
        let exported = ExportTraceServiceRequest::decode(body).expect("is of OTLP");
        let mut received = self.received.lock().expect("is not poisoned");
        for of_service in exported.resource_spans {
            let service = service(of_service.resource);
            for of_scope in of_service.scope_spans {
                received.extend(of_scope.spans.into_iter().map(|span| Received {
                    service: service.clone(),
                    authorization: authorization.to_owned(),
                    span,
                }));
            }
        }
    }

    fn take_records(&self, body: Bytes, authorization: &str) {
        let exported = ExportLogsServiceRequest::decode(body).expect("is of OTLP");
        let mut logged = self.logged.lock().expect("is not poisoned");
        for of_service in exported.resource_logs {
            let service = service(of_service.resource);
            for of_scope in of_service.scope_logs {
                logged.extend(of_scope.log_records.into_iter().map(|record| Logged {
                    service: service.clone(),
                    authorization: authorization.to_owned(),
                    record,
                }));
            }
        }
    }
}

fn service(resource: Option<Resource>) -> String {
    let resource = resource.expect("has a resource");
    let name = resource.attributes.iter().find(|a| a.key == "service.name");
    let name = name.and_then(|name| name.value.as_ref()?.value.as_ref());
    let Some(Value::StringValue(service)) = name else {
        panic!("no service: {resource:?}");
    };
    service.clone()
}

impl Received {
    /// An attribute as text; empty if it is not there.
    pub(super) fn attribute(&self, key: &str) -> String {
        let found = self.span.attributes.iter().find(|a| a.key == key);
        match found.and_then(|found| found.value.as_ref()?.value.as_ref()) {
            Some(Value::StringValue(text)) => text.clone(),
            Some(Value::IntValue(number)) => number.to_string(),
            Some(Value::DoubleValue(number)) => number.to_string(),
            other => other.map_or_else(String::new, |other| format!("{other:?}")),
        }
    }
}
