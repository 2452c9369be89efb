//! The tables of Envoy's documentation, row by row.

use super::*;

/// Levels of this percentage of healthy endpoints each.
fn healthy(percents: &[u64]) -> Vec<Census> {
    let level = |&percent: &u64| census(percent, 0);
    percents.iter().map(level).collect()
}

fn census(healthy: u64, degraded: u64) -> Census {
    Census {
        healthy,
        degraded,
        total: 100,
    }
}

fn loads(levels: &[Census]) -> Loads {
    Loads::new(levels, 140, 50)
}

#[test]
fn priorities_spill_as_documented() {
    let table: [(&[u64], &[u64]); 19] = [
        (&[100, 100], &[100, 0]),
        (&[72, 100], &[100, 0]),
        (&[71, 100], &[99, 1]),
        (&[50, 100], &[70, 30]),
        (&[25, 100], &[35, 65]),
        (&[0, 100], &[0, 100]),
        (&[72, 72], &[100, 0]),
        (&[71, 71], &[99, 1]),
        (&[50, 50], &[70, 30]),
        (&[25, 25], &[50, 50]),
        (&[5, 65], &[7, 93]),
        (&[100, 100, 100], &[100, 0, 0]),
        (&[72, 72, 100], &[100, 0, 0]),
        (&[71, 71, 100], &[99, 1, 0]),
        (&[50, 50, 100], &[70, 30, 0]),
        (&[25, 100, 100], &[35, 65, 0]),
        (&[25, 25, 100], &[35, 35, 30]),
        (&[25, 25, 20], &[36, 36, 28]),
        (&[0, 0, 0], &[100, 0, 0]),
    ];
    for (percents, expected) in table {
        let loads = loads(&healthy(percents));
        assert_eq!(loads.shares().0, expected, "{percents:?}");
        assert!(loads.shares().1.iter().all(|share| *share == 0));
    }
}

#[test]
fn degraded_endpoints_take_over_as_documented() {
    let table = [
        ((100, 0), (100, 0)),
        ((71, 0), (100, 0)),
        ((71, 29), (99, 1)),
        ((25, 65), (35, 65)),
        ((5, 0), (100, 0)),
    ];
    for ((healthy, degraded), expected) in table {
        let loads = loads(&[census(healthy, degraded)]);
        let (healthy, degraded) = loads.shares();
        assert_eq!((healthy[0], degraded[0]), expected);
    }
}

#[test]
fn panic_is_as_documented() {
    let table: [(&[u64], &[bool]); 9] = [
        (&[72, 100], &[false, false]),
        (&[0, 100], &[false, false]),
        (&[25, 100], &[false, false]),
        (&[71, 71], &[false, false]),
        (&[50, 60], &[false, false]),
        (&[25, 25], &[true, true]),
        (&[5, 65], &[true, false]),
        (&[0, 0], &[true, true]),
        (&[49], &[true]),
    ];
    for (percents, expected) in table {
        let loads = loads(&healthy(percents));
        assert_eq!(loads.panicking, expected, "{percents:?}");
    }
}

#[test]
fn without_a_threshold_nobody_panics() {
    let loads = Loads::new(&healthy(&[0, 0]), 140, 0);
    assert_eq!((loads.at(0), loads.only()), (None, None));
    let loads = Loads::new(&healthy(&[1, 0]), 140, 0);
    assert_eq!(loads.only(), Some((0, Tier::Healthy)));
    assert!(!loads.panics(0) && !loads.panics(1));
}

#[test]
fn levels_without_endpoints_get_nothing() {
    let levels = [Census::default(), census(0, 0)];
    assert_eq!(loads(&levels).only(), Some((1, Tier::Healthy)));
    assert_eq!(loads(&[Census::default()]).at(0), None);
    assert_eq!(loads(&[]).at(0), None);
}

#[test]
fn points_fall_to_levels_in_proportion() {
    let loads = loads(&[census(25, 10), census(25, 0), census(20, 0)]);
    let mut counts = [[0; 2]; 3];
    for point in 0..100 {
        let (level, tier) = loads.at(point).unwrap();
        counts[level][tier as usize] += 1;
    }
    assert_eq!(counts, [[35, 2], [35, 0], [28, 0]]);
    assert_eq!(loads.only(), None);
}
