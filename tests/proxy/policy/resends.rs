//! What is sent again without a policy: that of which nothing was done, or may be done twice.

use sabir::core::outcome::Code;

use super::backend::{Act, Backend};
use super::dialect::{Ask, Dialect};
use super::{Stage, on_every_protocol, on_protocols};
use crate::backend::nobody;

on_every_protocol!(
    an_endpoint_that_cannot_be_reached_is_passed_over,
    an_old_connection_that_ends_costs_what_may_be_done_twice_nothing,
    a_new_connection_that_ends_is_an_error,
);
on_protocols!(a_refused_request_goes_elsewhere: http2 grpc);
on_protocols!(refusals_are_believed_a_few_times: http2 grpc);
on_protocols!(a_long_body_has_one_chance: http2 grpc);

async fn an_endpoint_that_cannot_be_reached_is_passed_over(dialect: Dialect) {
    let good = Backend::start(dialect, []).await;
    let endpoints = vec![nobody(), good.address, nobody()];
    let stage = Stage::at(dialect, endpoints, "timeout: 5s", &[]).await;
    for _ in 0..6 {
        assert!(stage.call(&Ask::of("hi")).await.is_ok());
    }
    assert_eq!(good.seen().len(), 6);
    stage.proxy.assert_balanced().await;
}

async fn an_old_connection_that_ends_costs_what_may_be_done_twice_nothing(dialect: Dialect) {
    let script = [Act::Answer, Act::Close, Act::Answer, Act::Close];
    let backend = Backend::start(dialect, script).await;
    let stage = Stage::new(dialect, &[&backend], "timeout: 5s", &[]).await;
    let ask = |idempotent| Ask {
        idempotent,
        ..Ask::of("hi")
    };
    let mut client = stage.client().await;
    assert!(client.call(&ask(true)).await.is_ok());
    let again = client.call(&ask(true)).await;
    if !dialect.is_http() {
        assert!(!again.is_ok());
        assert_eq!(backend.seen().len(), 2);
        return;
    }
    assert!(again.is_ok(), "{again:?}");
    let connections: Vec<_> = backend.seen().iter().map(|s| s.connection).collect();
    assert_eq!(connections, [0, 0, 1]);
    let once = client.call(&ask(false)).await;
    assert!(!once.is_ok(), "POST is not repeated");
    assert_eq!(backend.seen().len(), 4);
    assert_eq!(stage.count("upstream_rq_resent").await, 1);
    stage.proxy.assert_balanced().await;
}

async fn a_new_connection_that_ends_is_an_error(dialect: Dialect) {
    let backend = Backend::start(dialect, [Act::Close]).await;
    let stage = Stage::new(dialect, &[&backend], "timeout: 5s", &[]).await;
    let idempotent = true;
    let lost = Ask {
        idempotent,
        ..Ask::of("hi")
    };
    let lost = stage.call(&lost).await;
    assert!(!lost.is_ok());
    assert_eq!(backend.seen().len(), 1);
    stage.proxy.assert_balanced().await;
}

async fn a_refused_request_goes_elsewhere(dialect: Dialect) {
    let body = 1000;
    let refusing = Backend::start(dialect, vec![Act::Refuse; 10]).await;
    let good = Backend::start(dialect, []).await;
    let stage = Stage::new(dialect, &[&refusing, &good], "timeout: 5s", &[]).await;
    let mut client = stage.client().await;
    for _ in 0..4 {
        let ask = Ask {
            body,
            ..Ask::of("hi")
        };
        assert!(client.call(&ask).await.is_ok());
    }
    let bodies: Vec<_> = good.seen().iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, [body; 4]);
    let refused = refusing.seen().len() as u64;
    assert!((1..=4).contains(&refused), "{refused}");
    assert_eq!(stage.count("upstream_rq_resent").await, refused);
    stage.proxy.assert_balanced().await;
}

async fn refusals_are_believed_a_few_times(dialect: Dialect) {
    let refusing = Backend::start(dialect, vec![Act::Refuse; 10]).await;
    let stage = Stage::new(dialect, &[&refusing], "timeout: 5s", &[]).await;
    let refused = stage.call(&Ask::of("hi")).await;
    assert_eq!(refused.code, Code::Unavailable);
    assert_eq!(refusing.seen().len(), 4);
    stage.proxy.assert_balanced().await;
}

async fn a_long_body_has_one_chance(dialect: Dialect) {
    let body = (64 << 10) - 1;
    let refusing = Backend::start(dialect, vec![Act::Refuse; 4]).await;
    let good = Backend::start(dialect, []).await;
    let stage = Stage::new(dialect, &[&refusing, &good], "timeout: 5s", &[]).await;
    let mut client = stage.client().await;
    for (body, ok) in [(body, true), (body + 2, false)] {
        let ask = Ask {
            body,
            ..Ask::of("hi")
        };
        let mut ends = Vec::new();
        for _ in 0..2 {
            ends.push(client.call(&ask).await.is_ok());
        }
        assert_eq!(ends.iter().all(|end| *end), ok, "{body}: {ends:?}");
    }
    stage.proxy.assert_balanced().await;
}
