//! What each path answers.

use std::fmt::Write;

use hyper::StatusCode;
use serde::Serialize;
use serde_json::json;

use super::status::{ClusterStatus, EndpointStatus, ListenerStatus};
use super::{Source, stats_page};
use crate::telemetry::{Format, expose};

/// An answer.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
}

/// How a page that has both is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Text,
    Json,
}

impl Page {
    pub(super) fn text(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: text.into().into_bytes(),
        }
    }

    pub(super) fn not_found() -> Self {
        let mut text = "no such page; there are\n".to_owned();
        for (path, _) in PATHS {
            text.push_str(path);
            text.push('\n');
        }
        Self::text(StatusCode::NOT_FOUND, text)
    }

    fn ok(text: impl Into<String>) -> Self {
        Self::text(StatusCode::OK, text)
    }

    fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec_pretty(value) {
            Ok(mut body) => {
                body.push(b'\n');
                Self {
                    status: StatusCode::OK,
                    content_type: "application/json",
                    body,
                }
            }
            Err(error) => {
                let text = format!("cannot be written as JSON: {error}\n");
                Self::text(StatusCode::INTERNAL_SERVER_ERROR, text)
            }
        }
    }
}

/// Whether there is a page at `path`.
pub(super) fn exists(path: &str) -> bool {
    path == "/" || PATHS.iter().any(|(known, _)| *known == path)
}

/// The page at `path`, as a client that sends this `query` and `Accept` header wants it.
pub(super) async fn of<S: Source>(source: &S, path: &str, query: &str, accept: &str) -> Page {
    let form = match form(query) {
        Ok(form) => form,
        Err(page) => return page,
    };
    match path {
        "/" => index(source),
        "/live" => Page::ok("live\n"),
        "/ready" if source.is_ready() => Page::ok("ready\n"),
        "/ready" => Page::text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        "/metrics" => metrics(source, accept).await,
        "/stats" => {
            let summary = source.stats().await;
            match form {
                Form::Text => Page::ok(stats_page::text(&summary, source.process())),
                Form::Json => Page::json(&stats_page::json(&summary, source.process())),
            }
        }
        "/config_dump" => Page::json(&source.config().await),
        "/clusters" => {
            let clusters = source.clusters().await;
            match form {
                Form::Text => Page::ok(clusters_text(&clusters)),
                Form::Json => Page::json(&json!({ "clusters": clusters })),
            }
        }
        "/listeners" => {
            let listeners = source.listeners().await;
            match form {
                Form::Text => Page::ok(listeners_text(&listeners)),
                Form::Json => Page::json(&json!({ "listeners": listeners })),
            }
        }
        _ => Page::not_found(),
    }
}

/// The form that `?format=` asks for.
fn form(query: &str) -> Result<Form, Page> {
    let asked = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("format="));
    match asked {
        None | Some("text") => Ok(Form::Text),
        Some("json") => Ok(Form::Json),
        Some(_) => {
            let text = "unknown format; there are text and json\n";
            Err(Page::text(StatusCode::BAD_REQUEST, text))
        }
    }
}

async fn metrics<S: Source>(source: &S, accept: &str) -> Page {
    let format = Format::accepted(accept);
    let summary = source.stats().await;
    Page {
        status: StatusCode::OK,
        content_type: format.content_type(),
        body: expose(&summary, source.process(), format).into_bytes(),
    }
}

fn index<S: Source>(source: &S) -> Page {
    let version = source.process().version();
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <title>sabir</title></head><body><h1>sabir {version}</h1>\n<table>\n"
    );
    for (path, about) in PATHS {
        html += &format!("<tr><td><a href=\"{path}\">{path}</a></td><td>{about}</td></tr>\n");
    }
    html.push_str("</table></body></html>\n");
    Page {
        status: StatusCode::OK,
        content_type: "text/html; charset=utf-8",
        body: html.into_bytes(),
    }
}

fn clusters_text(clusters: &[ClusterStatus]) -> String {
    let mut text = String::new();
    for cluster in clusters {
        let ClusterStatus {
            name,
            lb_policy,
            pending,
            endpoints,
        } = cluster;
        let count = endpoints.len();
        // Writing to a string does not fail, here and below.
        let _ = writeln!(
            text,
            "{name}  {lb_policy}  endpoints {count}  pending {pending}"
        );
        for endpoint in endpoints {
            endpoint_line(&mut text, endpoint);
        }
    }
    or_none(text)
}

fn endpoint_line(text: &mut String, endpoint: &EndpointStatus) {
    let EndpointStatus {
        address,
        weight,
        priority,
        health,
        connections,
        active,
        ..
    } = endpoint;
    let draining = if endpoint.draining { "  draining" } else { "" };
    let ejected = if endpoint.ejected { "  ejected" } else { "" };
    let health = health.as_str();
    let _ = write!(
        text,
        "  {address}  {health}{ejected}{draining}  weight {weight}"
    );
    if *priority > 0 {
        let _ = write!(text, "  priority {priority}");
    }
    let _ = write!(text, "  connections {connections}  active {active}");
    for (label, value) in &endpoint.labels {
        let _ = write!(text, "  {label}={value}");
    }
    text.push('\n');
}

fn listeners_text(listeners: &[ListenerStatus]) -> String {
    let mut text = String::new();
    for listener in listeners {
        let ListenerStatus {
            name,
            address,
            protocol,
            state,
            connections,
        } = listener;
        let state = state.as_str();
        let _ = writeln!(
            text,
            "{name}  {address}  {protocol}  {state}  connections {connections}"
        );
    }
    or_none(text)
}

fn or_none(text: String) -> String {
    match text.is_empty() {
        true => "none\n".into(),
        false => text,
    }
}

/// Every page but the index, with what it says.
const PATHS: [(&str, &str); 7] = [
    ("/live", "200 while the process runs"),
    ("/ready", "200 if calls are accepted, else 503"),
    ("/metrics", "all metrics, for Prometheus"),
    (
        "/stats",
        "counters and latencies to read; also ?format=json",
    ),
    ("/config_dump", "the configuration in force"),
    (
        "/clusters",
        "clusters and their endpoints; also ?format=json",
    ),
    ("/listeners", "listeners; also ?format=json"),
];
