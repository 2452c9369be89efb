//! Everything at once: whatever endpoints do, each call has one answer, and the books balance.

use std::sync::Arc;
use std::time::Duration;

use sabir::core::outcome::Code;

use super::backend::{Act, Backend};
use super::dialect::{Ask, Dialect};
use super::side::GONE;
use super::{Stage, on_every_protocol};

on_every_protocol!(each_call_has_one_answer_whatever_endpoints_do);

const CALLERS: u64 = 6;
const CALLS: usize = 40;

async fn each_call_has_one_answer_whatever_endpoints_do(dialect: Dialect) {
    let act = |rng: &mut fastrand::Rng| match rng.u8(..20) {
        0 | 1 => Act::Close,
        2 if dialect.protocol == "http2" => Act::Refuse,
        2 => Act::Close,
        3 | 4 => Act::Fail(Code::Internal),
        5 | 6 => Act::Fail(Code::Overloaded),
        7 => Act::Hold,
        8 => Act::AnswerHeld,
        9 => Act::Slow(Duration::from_millis(5)),
        _ => Act::Answer,
    };
    let mut rng = fastrand::Rng::with_seed(7);
    let mut backends = Vec::new();
    for _ in 0..3 {
        let script: Vec<_> = (0..1_000).map(|_| act(&mut rng)).collect();
        backends.push(Backend::start(dialect, script).await);
    }
    let route = "timeout: 5s, retry_policy: {retry_on: \"5xx,refused-stream\", num_retries: 6, \
        per_try_timeout: 0.3s, idempotent: true, retry_back_off: {base_interval: 0.001s}}";
    let budget = ["circuit_breakers: {max_retries: 1000}"];
    let all: Vec<_> = backends.iter().collect();
    let stage = Arc::new(Stage::new(dialect, &all, route, &budget).await);
    let callers = (0..CALLERS).map(|caller| {
        let stage = stage.clone();
        tokio::spawn(async move {
            let mut good = 0;
            let mut client = stage.client().await;
            for call in 0..CALLS {
                let ask = Ask {
                    idempotent: call % 2 == 0,
                    body: (caller as usize * 1_000) % 3_000,
                    ..Ask::of("hi")
                };
                let end = client.call(&ask).await;
                assert_ne!(end, GONE, "no call ends without an answer");
                good += usize::from(end.is_ok());
            }
            good
        })
    });
    let mut good = 0;
    for caller in callers.collect::<Vec<_>>() {
        good += caller.await.unwrap();
    }
    let calls = CALLERS as usize * CALLS;
    assert!(good > calls * 9 / 10, "{good} of {calls}");
    stage.proxy.assert_balanced().await;
    let served = stage.proxy.metric("sabir_downstream_rq_total").await;
    assert_eq!(served as usize, calls);
}
