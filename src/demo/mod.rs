//! The demo.

/// Runs the demo.
pub(crate) async fn run(_serve: bool) -> anyhow::Result<()> {
    anyhow::bail!("not here yet")
}
