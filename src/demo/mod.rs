//! `sabir demo`: sample services, the real proxy and real traffic, in one process on loopback.
//!
//! ```text
//! provider.rs  providers: two versions for users, one for batch jobs
//! consumer.rs  Dubbo consumers
//! link.rs      the sockets of Dubbo
//! message.rs   what is said in it
//! turns.rs     callers and providers in other protocols of whole messages
//! dialect/     what is said in those
//! grpc.rs      callers and providers in gRPC
//! config.rs    the proxy's configuration: config.yaml, filled in
//! admin.rs     the proxy's admin listener, asked
//! stage.rs     all of it, running
//! load.rs      calls, each answer checked
//! scenes.rs    what is shown
//! table.rs     how
//! ```

mod admin;
mod config;
mod consumer;
mod dialect;
mod grpc;
mod link;
mod load;
mod message;
mod provider;
mod scenes;
mod stage;
mod table;
mod turns;

use std::io::stdout;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use self::dialect::Dialect;
use self::provider::{NAMES, SERVICE};
use self::stage::{CALLERS, CONNECTIONS, Ports, Stage};
use self::table::Table;

/// Shows what sabir does and says whether it did; with `serve`, stays up until Ctrl-C.
///
/// # Errors
/// What kept it from being shown, or that something else happened than should have.
pub(crate) async fn run(serve: bool) -> anyhow::Result<()> {
    let started = Instant::now();
    let ports = if serve { Ports::usual() } else { Ports::FREE };
    let mut stage = Stage::start(ports).await?;
    let mut table = Table::new(stdout());
    table.text(&opening(&stage))?;
    let played = tokio::time::timeout(LIMIT, scenes::play(&mut stage, &mut table)).await;
    played.with_context(|| format!("not done within {} s", LIMIT.as_secs()))??;
    let (calls, seconds) = (table.calls(), started.elapsed().as_secs_f64());
    let (wrong, expected) = (table.wrong(), table.expected());
    let right = expected - wrong;
    table.text(&format!(
        "\n{calls} calls in {seconds:.1} s; {right} of {expected} expectations hold"
    ))?;
    if serve {
        for provider in &mut stage.providers {
            provider.restart().await?;
        }
        table.text(&invitation(&stage))?;
        tokio::signal::ctrl_c().await?;
    } else {
        table.text("sabir demo --serve stays up, for a consumer of your own")?;
    }
    stage.end().await?;
    if wrong > 0 {
        bail!("{wrong} of {expected} expectations do not hold");
    }
    Ok(())
}

/// The protocols beside Dubbo.
fn others() -> String {
    let dialects = dialect::ALL.map(Dialect::name).join(", ");
    format!("{dialects}, {}", grpc::NAME)
}

/// What is there, and where.
fn opening(stage: &Stage) -> String {
    let [v1, v2, batch] = NAMES;
    let others = others();
    let (config, admin) = (stage.config.path().display(), stage.proxy.admin);
    let callers = CONNECTIONS * CALLERS;
    format!(
        "Providers {v1}, {v2} and {batch} in Dubbo, {others},\n\
         the proxy, and consumers; those of Dubbo keep {callers} calls in flight on {CONNECTIONS} connections.\n\
         All of it is in this process, and talks through sockets on 127.0.0.1.\n\
         configuration  {config}\n\
         admin          http://{admin}/  (/stats /clusters /config_dump /metrics)"
    )
}

/// What to try while it stays up.
fn invitation(stage: &Stage) -> String {
    let (config, address) = (stage.config.path().display(), stage.proxy.address);
    let others = others();
    format!(
        "\nAll providers are up again. Point a Dubbo consumer (Hessian 2.0) at\n  \
           dubbo://{address}/{SERVICE}\n\
         String whoami() and String echo(String) answer with the provider's name; the attachment\n\
         batchjob=true leads to batch. The same port takes {others}:\n  \
           curl -H 'Host: {SERVICE}' -d hello http://{address}/echo\n\
         Change a weight in {config} and see.\n\
         Ctrl-C ends it."
    )
}

/// How long the scenes may take before something must be wrong.
const LIMIT: Duration = Duration::from_secs(60);
