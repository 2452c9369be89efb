//! The name that was probably meant.

/// The candidate that is spelled most like `name`, if one is near: a third of
/// its letters may differ, case aside.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let wanted = name.to_lowercase();
    let limit = (wanted.chars().count() / 3).max(1);
    let near = candidates.into_iter().filter_map(|candidate| {
        let distance = strsim::osa_distance(&wanted, &candidate.to_lowercase());
        // The first spelling in the alphabet of those as near.
        (distance <= limit).then_some((
            distance,
            std::cmp::Reverse(candidate.contains('_')),
            candidate,
        ))
    });
    near.min().map(|(_, _, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_names_are_suggested() {
        let names = [
            "max_connections",
            "maxConnections",
            "max_concurrent_streams",
            "name",
        ];
        assert_eq!(
            nearest("max_conections", names).as_deref(),
            Some("max_connections")
        );
        assert_eq!(
            nearest("maxConections", names).as_deref(),
            Some("maxConnections")
        );
        assert_eq!(nearest("nmae", names).as_deref(), Some("name"));
        assert_eq!(nearest("Name", names).as_deref(), Some("name"));
    }

    #[test]
    fn far_names_are_not() {
        assert_eq!(nearest("zzz", ["name", "address"]), None);
        assert_eq!(nearest("", ["name", "address"]), None);
    }
}
