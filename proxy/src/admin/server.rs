//! Serves HTTP/1.1, and does not let a client that misbehaves get in the way of the others.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Source;
use super::page::{self, Page};

/// Answers requests that arrive at `listener` until `stop` is done; then finishes those in flight,
/// within a second. Runs in a tokio runtime of any kind.
pub async fn serve<S: Source>(
    listener: TcpListener,
    source: Arc<S>,
    stop: impl Future<Output = ()>,
) {
    let (stopped, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        // At the limit, further connections wait in the system's queue.
        let has_room = connections.len() < MAX_CONNECTIONS;
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if has_room => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, source.clone(), stopping.clone()));
                }
                Err(error) => refused(&error).await,
            },
        }
    }
    drop((listener, stopped));
    let all = async { while connections.join_next().await.is_some() {} };
    // What is left is cut off as the set is dropped.
    let _ = timeout(STOP_WITHIN, all).await;
}

/// A connection could not be accepted: of the process's own limits, waiting helps.
async fn refused(error: &io::Error) {
    tracing::warn!(%error, "admin listener cannot accept a connection");
    sleep(ACCEPT_AGAIN_AFTER).await;
}

/// Serves one connection until it closes, has lived long enough, or the server stops.
async fn connection<S: Source>(
    stream: TcpStream,
    source: Arc<S>,
    mut stopping: watch::Receiver<()>,
) {
    let service = service_fn(|request| {
        let source = source.clone();
        async move { Ok::<_, Infallible>(answer(request, &*source).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WITHIN)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    tokio::select! {
        ended = serving.as_mut() => return log(ended),
        // The channel carries nothing: it changes by being closed.
        _ = stopping.changed() => {}
        () = sleep(LIFETIME) => {}
    }
    serving.as_mut().graceful_shutdown();
    if let Ok(ended) = timeout(LAST_ANSWER_WITHIN, serving).await {
        log(ended);
    }
}

fn log(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "admin connection failed");
    }
}

async fn answer<S: Source>(request: Request<Incoming>, source: &S) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    if let Err(page) = discard(body).await {
        let mut response = respond(page);
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
        return response;
    }
    if !page::exists(head.uri.path()) {
        return respond(Page::not_found());
    }
    if head.method != Method::GET && head.method != Method::HEAD {
        let text = format!("{} is not allowed here; GET and HEAD are\n", head.method);
        let mut response = respond(Page::text(StatusCode::METHOD_NOT_ALLOWED, text));
        let allow = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(header::ALLOW, allow);
        return response;
    }
    let accept = head.headers.get(header::ACCEPT);
    let accept = accept
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let query = head.uri.query().unwrap_or_default();
    match timeout(
        PAGE_WITHIN,
        page::of(source, head.uri.path(), query, accept),
    )
    .await
    {
        Ok(page) => respond(page),
        Err(_) => {
            let text = "the workers did not answer in time\n";
            respond(Page::text(StatusCode::SERVICE_UNAVAILABLE, text))
        }
    }
}

/// Reads a body that nobody asked for, if it is short.
async fn discard(body: Incoming) -> Result<(), Page> {
    if body.is_end_stream() {
        return Ok(());
    }
    let too_large = || {
        let text = format!("a body of more than {MAX_BODY_BYTES} bytes is not accepted\n");
        Page::text(StatusCode::PAYLOAD_TOO_LARGE, text)
    };
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(too_large());
    }
    match timeout(BODY_WITHIN, Limited::new(body, MAX_BODY_BYTES).collect()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) => Err(too_large()),
        Err(_) => Err(Page::text(
            StatusCode::REQUEST_TIMEOUT,
            "the body took too long\n",
        )),
    }
}

fn respond(page: Page) -> Response<Full<Bytes>> {
    let headers: [(HeaderName, &'static str); 3] = [
        (header::CONTENT_TYPE, page.content_type),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let length = page.body.len();
    let mut response = Response::new(Full::new(Bytes::from(page.body)));
    *response.status_mut() = page.status;
    // Said here, as the answer to a HEAD has the length of a body it has not.
    let out = response.headers_mut();
    out.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    for (name, value) in headers {
        out.insert(name, HeaderValue::from_static(value));
    }
    response
}

const MAX_CONNECTIONS: usize = 64;
const MAX_HEADERS: usize = 64;
const MAX_HEAD_BYTES: usize = 16 * 1024;
const MAX_BODY_BYTES: usize = 64 * 1024;
/// Also how long a connection may be idle.
const HEADER_WITHIN: Duration = Duration::from_secs(30);
const BODY_WITHIN: Duration = Duration::from_secs(5);
const PAGE_WITHIN: Duration = super::ANSWER_WITHIN.saturating_add(Duration::from_secs(1));
/// After this a connection is closed as soon as no request is in flight, so that clients that read
/// nothing do not use the limit up.
const LIFETIME: Duration = Duration::from_secs(300);
const LAST_ANSWER_WITHIN: Duration = Duration::from_secs(10);
const STOP_WITHIN: Duration = Duration::from_secs(1);
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);
