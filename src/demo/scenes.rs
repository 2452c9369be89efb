//! What the demo shows, scene by scene.

use std::io::Write;

use tokio::task::JoinSet;

use super::admin;
use super::config::Split;
use super::dialect;
use super::grpc;
use super::load::{Lane, Load, Tally};
use super::message::Request;
use super::provider::Provider;
use super::stage::{CALLERS, CONNECTIONS, Stage};
use super::table::{Table, Verdict};

/// Plays all scenes.
///
/// # Errors
/// What kept one from being played. What a scene expects in vain is for the table.
pub(super) async fn play<W: Write>(stage: &mut Stage, table: &mut Table<W>) -> anyhow::Result<()> {
    table.head()?;
    split(stage, table).await?;
    change(stage, table).await?;
    audit(stage, table)?;
    one_way(stage, table).await?;
    no_route(stage, table).await?;
    kill(stage, table).await?;
    isolate(stage, table).await?;
    let strays: u64 = stage.consumers.iter().map(|c| c.strays()).sum();
    let text = "no answer arrived twice, or for somebody else";
    table.line(text, Verdict::of(strays == 0))?;
    Ok(())
}

/// Users' calls are split by weight, and batch jobs go elsewhere at the same time: in all protocols,
/// through one port, by one rule.
async fn split<W: Write>(stage: &Stage, table: &mut Table<W>) -> anyhow::Result<()> {
    table.text("1 users split 90/10, jobs with batchjob=true kept apart: one rule, one port")?;
    let dubbo = (stage.load(Lane::User, MANY), stage.load(Lane::Batch, SOME));
    let mut loads: Vec<(&str, (Load, Load))> = vec![("Dubbo", dubbo)];
    for dialect in dialect::ALL {
        let users = stage.load_in(dialect, Lane::User, MANY).await?;
        let jobs = stage.load_in(dialect, Lane::Batch, SOME).await?;
        loads.push((dialect.name(), (users, jobs)));
    }
    let users = stage.load_in_grpc(Lane::User, MANY).await?;
    let jobs = stage.load_in_grpc(Lane::Batch, SOME).await?;
    loads.push((grpc::NAME, (users, jobs)));
    for (protocol, (users, jobs)) in loads {
        let (users, jobs) = tokio::join!(users.finish(), jobs.finish());
        let right = is_split(&users, 10) && jobs.answered == [0, 0, SOME];
        let mut all = users;
        all.add(jobs);
        table.row(protocol, &all, Verdict::of(right), "")?;
    }
    Ok(())
}

/// The split is changed while calls are in flight, from here on in Dubbo.
async fn change<W: Write>(stage: &mut Stage, table: &mut Table<W>) -> anyhow::Result<()> {
    table.text("2 the split is changed in the file, under load (in Dubbo, and so below)")?;
    let load = stage.load(Lane::User, u64::MAX);
    load.progress(SOME).await;
    stage.config.set_split(Split { v1: 50, v2: 50 })?;
    admin::wait_for_weights(stage.proxy.admin, &[50, 50]).await?;
    load.progress(SOME).await;
    let during = load.stop().await;
    let [_, _, batch] = during.answered;
    let verdict = Verdict::of(during.failed() == 0 && batch == 0);
    table.row("users, meanwhile", &during, verdict, "")?;
    let after = stage.load(Lane::User, MANY).finish().await;
    let verdict = Verdict::of(is_split(&after, 50));
    table.row("users, split 50/50", &after, verdict, "")?;
    Ok(())
}

/// What providers counted is what consumers saw.
fn audit<W: Write>(stage: &Stage, table: &mut Table<W>) -> anyhow::Result<()> {
    let counted = stage.providers.each_ref().map(|p| p.counts().answered);
    let sum: u64 = counted.iter().sum();
    let verdict = Verdict::of(sum == table.calls());
    table.line(
        "the providers counted as many calls as got an answer",
        verdict,
    )?;
    Ok(())
}

/// Calls that want no answer arrive and get none.
async fn one_way<W: Write>(stage: &Stage, table: &mut Table<W>) -> anyhow::Result<()> {
    table.text("3 calls that want no answer, and calls that nobody is there for")?;
    let [_, _, batch] = &stage.providers;
    let mut tally = Tally::default();
    for (number, consumer) in (0..FEW).zip(stage.consumers.iter().cycle()) {
        tally.calls += 1;
        let request = Lane::Batch.request("echo", number.to_string());
        if let Err(error) = consumer.send(request) {
            tally.failures.push(error);
        }
    }
    let sent = tally.calls - tally.failed();
    let arrived = batch.wait_for(|counts| counts.one_way >= sent).await;
    tally.answered = stage.providers.each_ref().map(|p| p.counts().one_way);
    let verdict = Verdict::of(tally.answered == [0, 0, FEW] && arrived.one_way == FEW);
    table.row("one-way jobs", &tally, verdict, "arrived, not answered")?;
    Ok(())
}

/// Calls without a route are answered at once, with Dubbo's "service not found".
async fn no_route<W: Write>(stage: &Stage, table: &mut Table<W>) -> anyhow::Result<()> {
    let mut tally = Tally::default();
    for (number, consumer) in (0..FEW).zip(stage.consumers.iter().cycle()) {
        let argument = number.to_string();
        let request = Request {
            service: "org.sabir.demo.Nobody",
            ..Lane::User.request("echo", argument.clone())
        };
        tally.note(&argument, consumer.call(request).await);
    }
    let verdict = Verdict::of(tally.with_status(NOT_FOUND) == FEW);
    table.row(
        "calls of another service",
        &tally,
        verdict,
        "told: no route",
    )?;
    Ok(())
}

/// A provider dies: what was in flight on it fails, and nothing else.
async fn kill<W: Write>(stage: &mut Stage, table: &mut Table<W>) -> anyhow::Result<()> {
    table.text("4 user-v2 is killed, under load")?;
    let load = stage.load(Lane::User, u64::MAX);
    let mut long = long_calls(stage);
    let [v1, v2, _] = &mut stage.providers;
    let (on_v1, on_v2) = lingering(v1, v2).await;
    load.progress(SOME).await;
    v2.kill().await;
    // First those that hung on the killed one, then the others, which wait to be released.
    let mut hung = Tally::default();
    for _ in 0..on_v2 {
        hung.add(next(&mut long).await);
    }
    load.progress(SOME).await;
    v1.release();
    let mut others = Tally::default();
    for _ in 0..on_v1 {
        others.add(next(&mut long).await);
    }
    let short = load.stop().await;
    let right = hung.lost() == on_v2 && others.answered == [on_v1, 0, 0];
    let mut all = hung;
    all.add(others);
    let remark = format!("{on_v2} were in flight on user-v2");
    table.row("long calls of users", &all, Verdict::of(right), &remark)?;
    // A caller that was told of the loss meets the same connection never again.
    let at_most = (CONNECTIONS * CALLERS) as u64;
    let right = short.lost() == short.failed() && short.failed() <= at_most;
    let remark = format!("at most {at_most} were in flight");
    table.row("users, meanwhile", &short, Verdict::of(right), &remark)?;
    let after = stage.load(Lane::User, MANY).finish().await;
    let verdict = Verdict::of(after.answered == [MANY, 0, 0]);
    table.row(
        "users, afterwards",
        &after,
        verdict,
        "the other version takes over",
    )?;
    Ok(())
}

/// The batch group dies: its jobs are refused rather than let loose on users' providers.
async fn isolate<W: Write>(stage: &mut Stage, table: &mut Table<W>) -> anyhow::Result<()> {
    table.text("5 batch is killed, too")?;
    let [_, _, batch] = &mut stage.providers;
    batch.kill().await;
    let users = stage.load(Lane::User, SOME);
    let jobs = stage.load(Lane::Batch, FEW);
    let (users, jobs) = tokio::join!(users.finish(), jobs.finish());
    let verdict = Verdict::of(jobs.with_status(UNAVAILABLE) == FEW);
    table.row(
        "jobs with batchjob=true",
        &jobs,
        verdict,
        "refused, never sent to users'",
    )?;
    let verdict = Verdict::of(users.answered == [SOME, 0, 0]);
    table.row("users, meanwhile", &users, verdict, "")?;
    Ok(())
}

/// Starts calls of users that are answered only when their provider is released.
fn long_calls(stage: &Stage) -> JoinSet<Tally> {
    let mut calls = JoinSet::new();
    for (number, consumer) in (0..LONG).zip(stage.consumers.iter().cycle()) {
        let consumer = consumer.clone();
        calls.spawn(async move {
            let argument = format!("long {number}");
            let request = Lane::User.request("linger", argument.clone());
            let mut tally = Tally::default();
            tally.note(&argument, consumer.call(request).await);
            tally
        });
    }
    calls
}

/// Waits until all long calls have arrived; says how many each of the two has.
async fn lingering(v1: &Provider, v2: &Provider) -> (u64, u64) {
    loop {
        let (on_v1, on_v2) = (v1.counts().lingering, v2.counts().lingering);
        if on_v1 + on_v2 >= LONG {
            return (on_v1, on_v2);
        }
        tokio::select! {
            _ = v1.wait_for(|counts| counts.lingering != on_v1) => {}
            _ = v2.wait_for(|counts| counts.lingering != on_v2) => {}
        }
    }
}

/// What became of the long call that ends next.
async fn next(calls: &mut JoinSet<Tally>) -> Tally {
    let ended = calls.join_next().await;
    ended.and_then(Result::ok).unwrap_or_default()
}

/// Whether all calls were answered by the two versions, the second one with about `percent` of
/// them.
fn is_split(tally: &Tally, percent: u64) -> bool {
    let [v1, v2, _] = tally.answered;
    let share = v2 as f64 / MANY as f64;
    let wanted = percent as f64 / 100.0;
    // Calls are spread at random. Five standard deviations are exceeded once in a million runs.
    let tolerance = 5.0 * (wanted * (1.0 - wanted) / MANY as f64).sqrt();
    v1 + v2 == MANY && (share - wanted).abs() <= tolerance
}

/// Calls that show a split well.
const MANY: u64 = 4000;
/// Calls that show that something works.
const SOME: u64 = 1000;
/// Calls one by one.
const FEW: u64 = 100;
/// Calls that are in flight for long. That none of them is on a certain one of two providers
/// happens once in four billion runs.
const LONG: u64 = 32;

/// Dubbo's status of a call without a provider.
const NOT_FOUND: u8 = 60;
/// Dubbo's status of a call whose provider went away.
const UNAVAILABLE: u8 = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_may_be_off_by_chance_but_not_by_more() {
        let tally = |v2| Tally {
            calls: MANY,
            answered: [MANY - v2, v2, 0],
            ..Tally::default()
        };
        for (v2, percent, right) in [
            (400, 10, true),
            (470, 10, true),
            (320, 10, true),
            (500, 10, false),
            (300, 10, false),
            (2100, 50, true),
            (2200, 50, false),
        ] {
            assert_eq!(is_split(&tally(v2), percent), right, "{v2} of {MANY}");
        }
    }

    #[test]
    fn a_split_with_a_call_missing_is_none() {
        let tally = Tally {
            calls: MANY,
            answered: [MANY - 401, 400, 0],
            mistaken: 1,
            ..Tally::default()
        };
        assert!(!is_split(&tally, 10));
    }
}
