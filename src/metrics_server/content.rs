//! What a scrape gets: the metrics, if the request has the correct path and is authorized.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header, request};
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::Response;

use super::chunked_body::ChunkedBody;
use super::scrape_auth::{Access, ScrapeAuth};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::metrics::text::Format;

/// The path of the fleet's metrics.
pub(crate) const FLEET_PATH: &str = "/metrics-fio";
/// The path of the process' metrics.
const PROCESS_PATH: &str = "/metrics";

/// The metrics that a server serves.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Those of the process.
    Process(Metrics),
    /// Those of the fleet.
    Fleet {
        /// The metrics of the operator.
        metrics: Metrics,
        /// Authorizes requests. Without it, all requests are allowed.
        auth: Option<Arc<ScrapeAuth>>,
        /// Serve the metrics of the process, too, as they have no server of their own.
        with_process: bool,
    },
}

impl Content {
    fn path(&self) -> &'static str {
        match self {
            Self::Process(_) => PROCESS_PATH,
            Self::Fleet { .. } => FLEET_PATH,
        }
    }

    pub(super) async fn respond(&self, request: &request::Parts) -> Response<ChunkedBody> {
        if request.uri.path() != self.path() {
            return error_response(StatusCode::NOT_FOUND);
        }
        if ![Method::GET, Method::HEAD].contains(&request.method) {
            return error_response(StatusCode::METHOD_NOT_ALLOWED);
        }
        if let Err(status) = self.authorize(&request.headers).await {
            return error_response(status);
        }
        let accept = header_text(&request.headers, &header::ACCEPT);
        let format = Format::accepted(accept);
        let gzip = accepts_gzip(header_text(&request.headers, &header::ACCEPT_ENCODING));
        let text = match self.encode(format, gzip) {
            Ok(text) => text,
            Err(error) => {
                tracing::warn!(%error, "failed to encode metrics");
                return error_response(StatusCode::INTERNAL_SERVER_ERROR);
            }
        };
        let mut response = Response::new(text);
        let headers = response.headers_mut();
        let content_type = HeaderValue::from_static(format.content_type());
        headers.insert(header::CONTENT_TYPE, content_type);
        let by_encoding = HeaderValue::from_static("accept-encoding");
        headers.insert(header::VARY, by_encoding);
        if gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }

    fn encode(&self, format: Format, gzip: bool) -> std::io::Result<ChunkedBody> {
        let mut body = ChunkedBody::default();
        if gzip {
            let mut encoder = GzEncoder::new(body, Compression::fast());
            self.write(format, &mut encoder)?;
            body = encoder.finish()?;
        } else {
            self.write(format, &mut body)?;
        }
        Ok(body)
    }

    fn write(&self, format: Format, out: &mut impl std::io::Write) -> std::io::Result<()> {
        match self {
            Self::Process(metrics) => metrics.encode_process(format, out),
            Self::Fleet {
                metrics,
                with_process,
                ..
            } => metrics.encode_fleet(format, *with_process, out),
        }
    }

    async fn authorize(&self, headers: &HeaderMap) -> Result<(), StatusCode> {
        let Self::Fleet {
            auth: Some(auth), ..
        } = self
        else {
            return Ok(());
        };
        match auth
            .check(header_text(headers, &header::AUTHORIZATION))
            .await
        {
            Ok(Access::Allowed) => Ok(()),
            Ok(Access::Unauthenticated) => Err(StatusCode::UNAUTHORIZED),
            Ok(Access::Forbidden) => Err(StatusCode::FORBIDDEN),
            Err(error) => {
                tracing::warn!(
                    error = crate::error_chain(&error),
                    "failed to authorize a scrape"
                );
                Err(StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }
}

fn header_text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Whether an Accept-Encoding header accepts gzip (RFC 9110, section 12.5.3). That of Prometheus does.
fn accepts_gzip(accept: Option<&str>) -> bool {
    accept.unwrap_or_default().split(',').any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        let quality = quality.trim().strip_prefix("q=").map(str::parse);
        name.trim().eq_ignore_ascii_case("gzip") && quality != Some(Ok(0.0_f32))
    })
}

fn error_response(status: StatusCode) -> Response<ChunkedBody> {
    let mut response = Response::new(ChunkedBody::from(format!("{status}\n")));
    *response.status_mut() = status;
    if status == StatusCode::UNAUTHORIZED {
        let bearer = HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, bearer);
    }
    response
}

#[cfg(test)]
mod tests;
