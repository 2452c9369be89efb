//! What a connection keeps of requests until they are answered.

use std::collections::HashMap;

use sabir_core::frame::StreamId;

/// Values by stream, made for one at a time: the first takes no hashing and no memory of its own,
/// more do only while there are more.
#[derive(Debug)]
pub(super) struct Unanswered<T> {
    first: Option<(StreamId, T)>,
    others: HashMap<StreamId, T>,
}

impl<T> Default for Unanswered<T> {
    fn default() -> Self {
        Self {
            first: None,
            others: HashMap::new(),
        }
    }
}

impl<T> Unanswered<T> {
    pub(super) fn insert(&mut self, stream: StreamId, value: T) {
        match &mut self.first {
            first @ None => *first = Some((stream, value)),
            Some(_) => drop(self.others.insert(stream, value)),
        }
    }

    pub(super) fn remove(&mut self, stream: StreamId) -> Option<T> {
        if self.others.is_empty() || self.first.as_ref().is_some_and(|(of, _)| *of == stream) {
            return self.first.take_if(|(of, _)| *of == stream).map(|(_, v)| v);
        }
        self.others.remove(&stream)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none() && self.others.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_once_in_any_order() {
        for order in [[1, 2, 3], [3, 1, 2], [2, 3, 1]] {
            let mut unanswered = Unanswered::default();
            for stream in [1, 2, 3] {
                unanswered.insert(StreamId(stream), stream);
            }
            for stream in order {
                assert_eq!(unanswered.remove(StreamId(4)), None);
                assert_eq!(unanswered.remove(StreamId(stream)), Some(stream));
                assert_eq!(unanswered.remove(StreamId(stream)), None);
            }
            assert!(unanswered.is_empty());
        }
    }
}
