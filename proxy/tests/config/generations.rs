//! What goes on from one configuration to the next.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sabir_router::limits::Resource;

use crate::toy::{BASE, after, resolve};

const LIMITED: &str = "- name: a\n  circuit_breakers: {max_requests: 1}";

#[test]
fn counts_go_on_under_the_same_name() {
    let before = resolve(BASE);
    before.listeners[0].connections.store(7, Ordering::Relaxed);
    let permit = before.clusters[0].breaker.try_acquire(Resource::Requests);
    let text = BASE
        .replace("- name: a", LIMITED)
        .replace(":20880", ":20881");
    let next = after(Some(&before), &text).unwrap();
    assert_eq!(next.listeners[0].connections.load(Ordering::Relaxed), 7);
    let breaker = &next.clusters[0].breaker;
    assert!(Arc::ptr_eq(breaker, &before.clusters[0].breaker));
    assert_eq!(breaker.in_use(Resource::Requests), 1);
    // One is in flight, and the limit is one once the configuration is in force.
    assert!(!breaker.is_open(Resource::Requests));
    breaker.set_limits(next.clusters[0].breaker_limits);
    assert!(breaker.is_open(Resource::Requests));
    breaker.release(permit.expect("there was room"));
    assert!(!breaker.is_open(Resource::Requests));
}

#[test]
fn another_name_begins_anew() {
    let before = resolve(BASE);
    before.listeners[0].connections.store(7, Ordering::Relaxed);
    let text = BASE.replace("name: in", "name: other");
    let next = after(Some(&before), &text).unwrap();
    assert_eq!(next.listeners[0].connections.load(Ordering::Relaxed), 0);
}

#[test]
fn what_is_refused_changes_nothing() {
    let before = resolve(BASE);
    let text = BASE
        .replace("- name: a", LIMITED)
        .replace("cluster: a", "cluster: b");
    after(Some(&before), &text).expect_err("there is no such cluster");
    let breaker = &before.clusters[0].breaker;
    let permits = [(); 2].map(|()| breaker.try_acquire(Resource::Requests));
    for permit in permits {
        breaker.release(permit.expect("the old limit counts"));
    }
}
