//! Limits and their change under way.

use std::thread;

use sabir_router::limits::{CircuitBreaker, Limits, Resource, Retries};

fn only_requests(limit: Option<u32>) -> Limits {
    Limits {
        max_connections: None,
        max_pending_requests: Some(0),
        max_requests: limit,
        retries: Retries::Most(0),
    }
}

#[test]
fn limits_hold_and_release() {
    let breaker = CircuitBreaker::new(only_requests(Some(2)));
    let acquire = || breaker.try_acquire(Resource::Requests);
    let (one, two) = (acquire().unwrap(), acquire().unwrap());
    assert_eq!(acquire(), None);
    assert!(breaker.is_open(Resource::Requests));
    assert_eq!(one.resource(), Resource::Requests);
    breaker.release(one);
    assert!(!breaker.is_open(Resource::Requests));
    let three = acquire().unwrap();
    assert_eq!(breaker.in_use(Resource::Requests), 2);
    breaker.release(two);
    breaker.release(three);
    assert_eq!(breaker.in_use(Resource::Requests), 0);
}

#[test]
fn zero_allows_none_and_no_limit_counts_nothing() {
    let breaker = CircuitBreaker::new(only_requests(None));
    assert_eq!(breaker.try_acquire(Resource::PendingRequests), None);
    let permits: Vec<_> = (0..100)
        .filter_map(|_| breaker.try_acquire(Resource::Connections))
        .collect();
    assert_eq!(permits.len(), 100);
    assert_eq!(breaker.in_use(Resource::Connections), 0);
    assert!(!breaker.is_open(Resource::Connections));
    permits
        .into_iter()
        .for_each(|permit| breaker.release(permit));
}

#[test]
fn limits_change_without_losing_count() {
    let breaker = CircuitBreaker::new(only_requests(None));
    let acquire = || breaker.try_acquire(Resource::Requests);
    let uncounted = acquire().unwrap();
    breaker.set_limits(only_requests(Some(2)));
    let (one, two) = (acquire().unwrap(), acquire().unwrap());
    breaker.release(uncounted);
    assert_eq!(
        breaker.in_use(Resource::Requests),
        2,
        "what was not counted is not taken off"
    );
    breaker.set_limits(only_requests(Some(1)));
    breaker.release(one);
    assert_eq!(acquire(), None, "the lower limit is still reached");
    breaker.set_limits(only_requests(None));
    breaker.release(two);
    assert_eq!(breaker.in_use(Resource::Requests), 0);
}

#[test]
fn workers_never_exceed_a_limit_together() {
    let breaker = CircuitBreaker::new(only_requests(Some(100)));
    let granted: usize = thread::scope(|scope| {
        let acquire = || {
            (0..60)
                .filter_map(|_| breaker.try_acquire(Resource::Requests))
                .count()
        };
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(acquire)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .sum()
    });
    assert_eq!(granted, 100);
    assert_eq!(breaker.in_use(Resource::Requests), 100);
}

#[test]
fn defaults_are_documented_ones() {
    let limits = Limits::default();
    let values = [
        limits.max_connections,
        limits.max_pending_requests,
        limits.max_requests,
    ];
    assert_eq!(values, [Some(1024), Some(1024), Some(10_240)]);
}

#[test]
fn retries_are_few_or_a_share_of_the_requests_in_flight() {
    let limits = |retries| Limits {
        retries,
        ..Limits::default()
    };
    let breaker = CircuitBreaker::new(limits(Retries::Most(1)));
    let retry = || breaker.try_acquire(Resource::Retries);
    let one = retry().unwrap();
    assert_eq!(retry(), None);
    let (percent, min) = (20, 2);
    breaker.set_limits(limits(Retries::Budget { percent, min }));
    let two = retry().unwrap();
    assert_eq!(retry(), None, "no request is in flight");
    let requests: Vec<_> = (0..15)
        .filter_map(|_| breaker.try_acquire(Resource::Requests))
        .collect();
    let three = retry().unwrap();
    assert!(breaker.is_open(Resource::Retries));
    for permit in requests.into_iter().chain([one, two, three]) {
        breaker.release(permit);
    }
    assert_eq!(breaker.in_use(Resource::Retries), 0);
    breaker.set_limits(limits(Retries::Most(0)));
    assert_eq!(retry(), None);
}
