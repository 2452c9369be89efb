//! The examples of the schema can be used.

use sabir_proxy::config::resolved::PoolMode;

use crate::toy::resolve;

#[test]
fn the_minimal_one() {
    let snapshot = resolve(include_str!("../../../proto/examples/minimal.yaml"));
    assert_eq!((snapshot.listeners.len(), snapshot.clusters.len()), (1, 1));
}

#[test]
fn the_full_one() {
    let snapshot = resolve(include_str!("../../../proto/examples/full.yaml"));
    let tables = snapshot.listeners.iter().map(|l| l.routes.len());
    assert!(tables.eq([4, 1]));
    assert_eq!(snapshot.clusters[0].pool, PoolMode::Multiplexed);
    assert_eq!(snapshot.clusters[0].balancing.subsets().len(), 3);
    assert_eq!(serde_json::to_value(&snapshot.dump).unwrap()["workers"], 2);
}
