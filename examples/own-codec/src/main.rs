//! A proxy binary of one's own: `own-codec FILE`.

use anyhow::Context as _;
use sabir::Proxy;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let file = std::env::args().nth(1).context("usage: own-codec FILE")?;
    let proxy = Proxy::start(own_codec::options(&file)).await?;
    proxy
        .run(async {
            // Without signals there is nothing that could end it.
            let _ = tokio::signal::ctrl_c().await;
        })
        .await;
    Ok(())
}
