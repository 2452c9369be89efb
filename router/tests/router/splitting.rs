//! Proportions of weighted splits, stickiness, and actions.

use sabir_core::name::Name;
use sabir_core::outcome::{Code, Reply};
use sabir_router::action::{Action, ClusterId, Forward, Route, Target};
use sabir_router::split::{SplitError, WeightedSplit};

use crate::toy;

fn split(weights: &[u32], hash_key: &[&str]) -> WeightedSplit<usize> {
    let targets = weights.iter().enumerate().map(|(i, &w)| (i, w)).collect();
    let names = hash_key.iter().map(|name| Name::new(name)).collect();
    WeightedSplit::new(targets, names).unwrap()
}

fn counts(split: &WeightedSplit<usize>, picks: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut counts = vec![0; split.targets().count()];
    picks.for_each(|target| counts[target] += 1);
    counts
}

#[test]
fn random_picks_keep_the_weights() {
    let split = split(&[90, 0, 10], &[]);
    let head = toy::request("s", "m", &[]);
    let step = u64::MAX / 1000;
    let picks = (0..1000).map(|i| *split.pick(&head, i * step + step / 2));
    assert_eq!(counts(&split, picks), [900, 0, 100]);
    assert_eq!(
        (*split.pick(&head, 0), *split.pick(&head, u64::MAX)),
        (0, 2)
    );
    let weights: Vec<_> = split.targets().map(|(_, weight)| weight).collect();
    assert_eq!(weights, [90, 0, 10]);
}

#[test]
fn zero_weights_are_never_picked_wherever_they_stand() {
    let split = split(&[0, 1, 0, 1, 0], &[]);
    let head = toy::request("s", "m", &[]);
    for random in [0, 1, u64::MAX / 2, u64::MAX / 2 + 1, u64::MAX] {
        assert!([1, 3].contains(split.pick(&head, random)));
    }
}

#[test]
fn sticky_picks_keep_the_weights_and_the_choice() {
    let split = split(&[70, 30], &["user"]);
    let pick = |user: u32, random| {
        let user = user.to_string();
        *split.pick(&toy::request("s", "m", &[("User", user.as_str())]), random)
    };
    let picks = counts(&split, (0..10_000).map(|user| pick(user, 0)));
    assert!((6_800..7_200).contains(&picks[0]), "{picks:?}");
    assert!((0..100).all(|user| pick(user, 0) == pick(user, u64::MAX)));
}

#[test]
fn a_shift_of_weights_moves_only_its_share() {
    let (before, after) = (split(&[90, 10], &["user"]), split(&[80, 20], &["user"]));
    let moved = (0..10_000).filter(|user: &u32| {
        let user = user.to_string();
        let head = toy::request("s", "m", &[("user", user.as_str())]);
        let (was, is) = (*before.pick(&head, 0), *after.pick(&head, 0));
        assert!(was <= is, "nobody goes back");
        was != is
    });
    assert!((850..1150).contains(&moved.count()));
}

#[test]
fn requests_without_the_key_are_spread_at_random() {
    let split = split(&[1, 1], &["user", "session"]);
    let pick = |pairs: &[_], random| *split.pick(&toy::request("s", "m", pairs), random);
    assert_eq!([pick(&[], 0), pick(&[], u64::MAX)], [0, 1]);
    let some = [("session", "7")];
    assert_eq!(pick(&some, 0), pick(&some, u64::MAX));
}

#[test]
fn values_do_not_run_into_each_other() {
    let split = split(&[1; 64], &["a", "b"]);
    let pick = |pairs: &[_]| *split.pick(&toy::request("s", "m", pairs), 0);
    assert_ne!(
        pick(&[("a", "12"), ("b", "3")]),
        pick(&[("a", "1"), ("b", "23")])
    );
    assert_ne!(pick(&[("a", "1")]), pick(&[("b", "1")]));
    assert_ne!(
        pick(&[("a", "1"), ("a", "2")]),
        pick(&[("a", "1"), ("b", "2")])
    );
}

#[test]
fn bad_weights_are_refused() {
    let made = |weights: &[u32]| {
        let targets = weights.iter().map(|&w| ((), w)).collect();
        WeightedSplit::new(targets, Vec::new())
    };
    assert_eq!(made(&[]), Err(SplitError::NoWeight));
    assert_eq!(made(&[0, 0]), Err(SplitError::NoWeight));
    let sum = u64::from(u32::MAX) + 1;
    assert_eq!(made(&[u32::MAX, 1]), Err(SplitError::TooMuch { sum }));
    assert!(made(&[u32::MAX]).is_ok());
}

#[test]
fn actions_name_their_targets() {
    let head = toy::request("s", "m", &[]);
    let [one, two] = [ClusterId(1), ClusterId(2)].map(Target::from);
    let plain = Forward::to(one);
    assert_eq!(plain.timeout, Some(Forward::DEFAULT_TIMEOUT));
    assert_eq!(
        plain.target(&head, || unreachable!("one target needs no chance")),
        one
    );
    let split = WeightedSplit::new(vec![(one, 1), (two, 1)], Vec::new()).unwrap();
    let split = Forward::to(split);
    assert_eq!(split.target(&head, || u64::MAX), two);
    assert_eq!(split.targets().collect::<Vec<_>>(), [one, two]);
    assert_eq!(plain.targets().collect::<Vec<_>>(), [one]);
    let reply = Reply::refused(Code::Denied, "no");
    let route = Route::new("deny", reply.clone());
    assert_eq!(route.action, Action::DirectResponse(reply));
    assert!(route.request.is_empty() && route.response.is_empty());
}
