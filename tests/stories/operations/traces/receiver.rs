//! A receiver of traces, over gRPC and HTTP.

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
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use prynai_test_harness::certificates::Certificates;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const GRPC: &str = "application/grpc";
const GRPC_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const HTTP_PATH: &str = "/v1/traces";

/// Length of what stands before a message of gRPC.
const PREFIX: usize = 5;

/// A span, and the service that it comes from.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) service: String,
    pub(super) authorization: String,
    pub(super) span: Span,
}

/// What has come.
#[derive(Debug, Clone)]
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    pub(super) async fn start() -> Self {
        Self::start_with(None).await
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
        Self::start_with(Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start_with(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let receiver = Self {
            address: listener.local_addr().expect("is bound"),
            received: Arc::default(),
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
                assert_eq!(head.uri.path(), GRPC_PATH);
                assert_eq!(body[0], 0, "is not compressed");
                body.advance(PREFIX);
            }
            false => {
                assert_eq!(head.uri.path(), HTTP_PATH);
                assert_eq!(media, "application/x-protobuf");
            }
        }
        let authorization = head.headers.get(AUTHORIZATION);
        let authorization = authorization.map(|value| value.to_str().expect("is text"));
        self.take(body, authorization.unwrap_or_default());
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

    fn take(&self, body: Bytes, authorization: &str) {
        let exported = ExportTraceServiceRequest::decode(body).expect("is of OTLP");
        let mut received = self.received.lock().expect("is not poisoned");
        for of_service in exported.resource_spans {
            let resource = of_service.resource.expect("has a resource");
            let name = resource.attributes.iter().find(|a| a.key == "service.name");
            let name = name.and_then(|name| name.value.as_ref()?.value.as_ref());
            let Some(Value::StringValue(service)) = name else {
                panic!("no service: {resource:?}");
            };
            for of_scope in of_service.scope_spans {
                received.extend(of_scope.spans.into_iter().map(|span| Received {
                    service: service.clone(),
                    authorization: authorization.to_owned(),
                    span,
                }));
            }
        }
    }
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
