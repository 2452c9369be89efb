//! What the demo asks the proxy's admin listener.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Waits until the configuration in force gives `wanted` as the weights of its splits.
///
/// # Errors
/// An answer of the admin listener that is not a configuration.
pub(super) async fn wait_for_weights(admin: SocketAddr, wanted: &[u32]) -> anyhow::Result<()> {
    let mut again = tokio::time::interval(POLL);
    loop {
        again.tick().await;
        let body = page(admin, "/config_dump").await?;
        let config = serde_json::from_str(&body).context("/config_dump is not JSON")?;
        if weights(&config) == wanted {
            return Ok(());
        }
    }
}

/// The body of a page.
///
/// # Errors
/// The system's, and any status but 200.
pub(super) async fn page(admin: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut socket = TcpStream::connect(admin).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        bail!("{path}: no answer in HTTP");
    };
    if !head.starts_with("HTTP/1.1 200 ") {
        let status = head.lines().next().unwrap_or_default();
        bail!("{path}: {status}");
    }
    Ok(body.to_owned())
}

/// Weights of the clusters of all splits, in the order of the configuration.
pub(super) fn weights(config: &Value) -> Vec<u32> {
    match config {
        // Endpoints have weights too, but no names.
        Value::Object(object) if object.contains_key("name") && object.contains_key("weight") => {
            let weight = object["weight"].as_u64().and_then(|w| w.try_into().ok());
            weight.into_iter().collect()
        }
        Value::Object(object) => object.values().flat_map(weights).collect(),
        Value::Array(items) => items.iter().flat_map(weights).collect(),
        _ => Vec::new(),
    }
}

/// How often the admin listener is asked. It has no way to tell by itself.
const POLL: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn weights_of_splits_are_found_and_those_of_endpoints_are_not() {
        let config = json!({
            "a": [{"name": "x", "weight": 3}, {"b": {"name": "y", "weight": 4}}],
            "endpoints": [{"address": "127.0.0.1:1", "weight": 9}],
        });
        assert_eq!(weights(&config), [3, 4]);
    }

    #[tokio::test]
    async fn pages_are_read_and_other_statuses_are_errors() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            for answer in ["HTTP/1.1 200 OK\r\n\r\nhello", "HTTP/1.1 404 No\r\n\r\n"] {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = [0; 256];
                assert!(socket.read(&mut request).await.unwrap() > 0);
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        assert_eq!(page(admin, "/a").await.unwrap(), "hello");
        let error = page(admin, "/b").await.unwrap_err();
        assert_eq!(error.to_string(), "/b: HTTP/1.1 404 No");
        server.await.unwrap();
    }
}
